"""What readers of a pull request are told of others: how many, and nothing that names them."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from placement.policy import Policy as PlacementPolicy
from reconciler.preview.comparison import compare
from reconciler.preview.preview import Note, Preview
from reconciler.preview.rendering.markdown import comment
from reconciler.preview.rendering.masking import for_readers
from reconciler.preview.rendering.page import page
from reconciler.preview.rendering.wording import headline
from tests.preview.examples import EXAMPLES, guests
from tests.preview.reading_markdown import MARKER
from tests.preview.stories import COMMITS, TIMEOUTS, at_rest, side
from tests.reconciler.world import POLICY, experiment, model, server

OTHERS = "qq"
"""In every name of the other application, and in nothing else: no digest has this letter."""
MEMORY = ("100M", "300M", "600M", "900M")


@st.composite
def _models(draw, names, namespace="default"):
    found = []
    for name in sorted(draw(st.sets(st.sampled_from(names)))):
        spec = {
            "memory": draw(st.sampled_from(MEMORY)),
            "replicas": draw(st.integers(1, 2)),
            "storageUri": f"gs://models/{draw(st.integers(1, 2))}",
        }
        if draw(st.booleans()):
            spec["annotations"] = {"moorage.dev/update-strategy": "Recreate"}
        if spec["replicas"] == 2 and draw(st.booleans()):
            spec["minReplicas"] = 1
        found.append(model(name, namespace, **spec))
    return found


@st.composite
def _others(draw):
    """What the other application declares, of which its servers take guests."""
    names = draw(st.sets(st.sampled_from((f"{OTHERS}gold", f"{OTHERS}silver")), min_size=1))
    servers = [server(name, replicas=draw(st.integers(0, 2))) for name in sorted(names)]
    models = draw(_models((f"{OTHERS}risk", f"{OTHERS}fraud", f"{OTHERS}churn")))
    elsewhere = [server(f"{OTHERS}far", f"{OTHERS}ns"), *draw(_models((f"{OTHERS}x",), f"{OTHERS}ns"))]
    split = [experiment(f"{OTHERS}split", {m.key.name: 1 for m in models[:2]})] if len(models) > 1 else []
    return [*servers, *models, *split, *elsewhere]


@st.composite
def _own(draw):
    servers = [server("own", replicas=draw(st.integers(0, 2)))] if draw(st.booleans()) else []
    models = draw(_models(("iris", "wine", "pear")))
    split = [experiment("split", {m.key.name: 1 for m in models[:2]})] if len(models) > 1 else []
    return [*servers, *models, *split]


@st.composite
def worlds(draw) -> Preview:
    """A pull request of ``app`` beside another application, which may come first or last."""
    others, base, head = draw(_others()), draw(_own()), draw(_own())
    applications = [(f"{OTHERS}app", others), ("app", base)]
    live = at_rest(*draw(st.permutations(applications)))
    policy = PlacementPolicy("pack", 50, draw(st.integers(0, 2)))
    notes = (Note("DependencyNotReady", f"waits for application {OTHERS}app, which is Degraded"),)
    taken = [model(f"{OTHERS}risk")] if draw(st.booleans()) else []
    made = side("app", base, [*head, *taken], replace(POLICY, placement=policy), notes)
    return compare(COMMITS, [made], live, TIMEOUTS)


def _declared(preview: Preview) -> list[str]:
    """Names that the pull request declares itself, which its own files show."""
    return [c.key.name for each in preview.applications for c in each.changes if OTHERS in c.key.name]


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_nobody_learns_a_name_of_another_application(preview):
    """In public neither a model, an experiment, a server, a namespace nor the application itself."""
    masked = for_readers(preview, public=True)
    if not _declared(preview):
        assert OTHERS not in repr(masked)
    for text in (comment(masked, marker=MARKER), page(masked, "a pull request"), headline(preview)):
        for name in _declared(preview):
            text = text.replace(name, "")
        assert OTHERS not in text


@settings(max_examples=30, deadline=None)
@given(worlds())
def test_members_learn_servers_and_nothing_else(preview):
    """Where not everybody reads it, a server has its name: people have to talk about it."""
    text = comment(for_readers(preview, public=False), marker=MARKER)
    for name in ("gold", "silver", "far", "ns"):
        text = text.replace(f"{OTHERS}{name}", "")
    for name in _declared(preview):
        text = text.replace(name, "")
    assert OTHERS not in text


@settings(max_examples=30, deadline=None)
@given(worlds(), st.booleans())
def test_verdict_amounts_and_digests_stay(preview, public):
    """Masking says nothing else than before."""
    masked = for_readers(preview, public=public)
    assert (masked.verdict, masked.digest, masked.basis) == (preview.verdict, preview.digest, preview.basis)
    assert [a.plan.digest for a in masked.applications] == [a.plan.digest for a in preview.applications]
    assert [r.after for r in masked.replicas] == [r.after for r in preview.replicas]
    assert [len(a.serving) for a in masked.applications] == [len(a.serving) for a in preview.applications]
    assert headline(masked) == headline(preview)


def test_what_is_all_ones_own_is_not_masked():
    """A preview of everything that there is."""
    made = EXAMPLES["new-version"]()
    assert for_readers(made, public=True) == made


def test_an_alias_is_the_same_everywhere():
    """In the picture and in the sentences, so that a reader can follow."""
    text = comment(for_readers(guests(), public=True), marker=MARKER)
    assert "nearest another application's server 2/0: needs 3Gi" in text
    assert "2Gi more memory per replica of another application's server 2" in text
    assert "another application's server 1/0  [" in text


def test_a_model_of_others_that_stops_is_counted():
    """That is what a reviewer has to know."""
    text = comment(for_readers(EXAMPLES["several-applications"](), public=False), marker=MARKER)
    assert "1 model of another application finds no place, nothing answers any more" in text
    assert "risk" not in text
    assert "finance" not in text
