"""What a sync leaves undone on purpose, and what a person's word changes about it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.control.sync_policy import IgnoredDifference, PrunePolicy
from reconciler.planning.diff import Diff, diff
from reconciler.planning.guards import FEW, ChangePolicy
from reconciler.planning.ignored import check_pointer, with_ignored
from runtime.state import AppliedResource, LiveState
from schemas.errors import InputError
from schemas.resource import key
from tests.reconciler.world import desired, model

IRIS, WINE = key("Model", "default", "iris"), key("Model", "default", "wine")
KEPT = {"annotations": {"moorage.dev/prune": "false"}}


def live(*resources, owner: str = "app") -> LiveState:
    return LiveState(tuple(AppliedResource(r, owner) for r in sorted(resources, key=lambda r: r.key)))


def held(found: Diff) -> dict[str, str]:
    return {item.key.name: item.reason for item in found.held}


def changed(found: Diff) -> dict[str, str]:
    return {change.key.name: change.action for change in found.changes}


def many(count: int) -> list:
    return [model(f"m{number:02}") for number in range(count)]


# Owners


def test_two_applications_that_want_one_resource_are_both_named():
    """The second is refused, and whoever reads it knows whom to ask."""
    policy = ChangePolicy(applications=("app", "other"))
    found = diff(desired(model("iris")), live(model("iris"), owner="other"), policy)
    assert held(found) == {"iris": "OwnedByOther"}
    assert "application other" in found.held[0].message
    assert "application app" in found.held[0].message


def test_what_no_application_owns_any_more_is_taken_over():
    """The owner left the configuration: the resource goes on running under its new one."""
    policy = ChangePolicy(applications=("app",))
    found = diff(desired(model("iris")), live(model("iris"), owner="gone"), policy)
    (change,) = found.changes
    assert [(f.path, f.before, f.after) for f in change.fields] == [("owner", "gone", "app")]


def test_without_knowing_the_applications_nothing_is_taken_over():
    """A plan made without a configuration must not steal."""
    assert held(diff(desired(model("iris")), live(model("iris"), owner="gone"), ChangePolicy())) == {
        "iris": "OwnedByOther"
    }


# Suspended resources and selected ones


def test_suspended_resource_is_left_as_it_is():
    """It is neither updated nor deleted; the others follow."""
    policy = ChangePolicy(suspended=(IRIS,))
    updated = diff(desired(model("iris", storageUri="gs://2"), model("wine")), live(model("iris")), policy)
    assert (held(updated), changed(updated)) == ({"iris": "Suspended"}, {"wine": "create"})
    gone = diff(desired(model("wine")), live(model("iris"), model("wine")), policy)
    assert (held(gone), changed(gone)) == ({"iris": "Suspended"}, {})


def test_suspended_resource_that_agrees_is_not_held():
    """There is nothing to leave undone."""
    assert held(diff(desired(model("iris")), live(model("iris")), ChangePolicy(suspended=(IRIS,)))) == {}


def test_selected_resources_are_all_that_changes():
    """Neither creates nor deletes of others come along."""
    policy = ChangePolicy(only=(WINE,))
    found = diff(desired(model("iris"), model("wine")), live(model("old")), policy)
    assert changed(found) == {"wine": "create"}


# Deletes


def test_annotated_resource_is_never_deleted():
    """Whatever Git says, and whatever a person confirms for the rest."""
    policy = ChangePolicy(confirmed=(IRIS,))
    kept = replace(model("iris"), annotations={"moorage.dev/prune": "false"})
    found = diff(desired(model("wine")), live(kept, model("wine")), policy)
    assert held(found) == {"iris": "PruneDisabled"}


def test_few_deletes_are_never_too_many():
    """Three of four are more than 30 %, and nobody wants to be asked about three."""
    found = diff(desired(model("m00")), live(*many(FEW + 1)), ChangePolicy())
    assert len(found.changes) == FEW


def test_many_deletes_wait_for_a_person():
    """Four of ten are more than 30 %: none of them goes unasked."""
    found = diff(desired(*many(10)[4:]), live(*many(10)), ChangePolicy())
    assert (set(held(found).values()), changed(found)) == ({"PruneThreshold"}, {})
    assert "4 of 10 resources, more than 30 %" in found.held[0].message


def test_the_threshold_counts_what_the_application_owns():
    """Another application's hundred models do not make four deletes a trifle."""
    others = LiveState(
        (
            *live(*many(10)).resources,
            *(AppliedResource(model(f"x{n:03}"), "other") for n in range(100)),
        )
    )
    found = diff(desired(*many(10)[4:]), others, ChangePolicy(applications=("app", "other")))
    assert set(held(found).values()) == {"PruneThreshold"}


def test_what_a_person_confirmed_is_deleted():
    """The rest still waits."""
    policy = ChangePolicy(confirmed=tuple(m.key for m in many(3)))
    found = diff(desired(*many(10)[4:]), live(*many(10)), policy)
    assert (len(found.changes), len(found.held)) == (3, 1)


def test_confirm_asks_for_every_delete():
    """Even a single one."""
    policy = ChangePolicy(PrunePolicy("confirm"))
    found = diff(desired(model("wine")), live(model("iris"), model("wine")), policy)
    assert held(found) == {"iris": "PruneAwaitsConfirmation"}
    done = replace(policy, confirmed=(IRIS,))
    assert changed(diff(desired(model("wine")), live(model("iris"), model("wine")), done)) == {
        "iris": "delete"
    }


def test_a_confirmed_wipe_is_a_wipe():
    """Who confirms all of it means it."""
    policy = ChangePolicy(confirmed=tuple(m.key for m in many(5)))
    assert len(diff(desired(), live(*many(5)), policy).changes) == 5


def test_no_confirmation_passes_an_unreadable_document():
    """A mistake in Git is not mended by a word: the document may be that very resource."""
    policy = ChangePolicy(confirmed=(IRIS,))
    found = diff(desired(model("wine"), unreadable=True), live(model("iris"), model("wine")), policy)
    assert held(found) == {"iris": "PruneHeld"}


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 100), st.booleans())
def test_unasked_deletes_stay_within_the_threshold(before, gone, percent, confirm):
    """However many leave Git: few, or no more than the share that the policy allows, or none."""
    gone = min(gone, before)
    policy = ChangePolicy(PrunePolicy("confirm" if confirm else "on", most_percent=percent))
    found = diff(desired(*many(before)[gone:]), live(*many(before)), policy)
    deletes = len(found.changes)
    assert deletes in (0, gone)
    assert deletes == 0 or (not confirm and (deletes <= FEW or deletes * 100 <= before * percent))
    assert deletes + len(found.held) == gone


# Ignored differences


REPLICAS = IgnoredDifference("Model", ("/spec/replicas",))


def test_ignored_field_is_no_drift():
    """An autoscaler owns the replicas."""
    policy = ChangePolicy(ignore=(REPLICAS,))
    found = diff(desired(model("iris", replicas=1)), live(model("iris", replicas=5)), policy)
    assert found.changes == ()


def test_ignored_field_keeps_its_live_value_when_another_changes():
    """A new artifact does not scale the model down."""
    wanted, lives = model("iris", storageUri="gs://2", replicas=1), model("iris", replicas=5)
    (change,) = diff(desired(wanted), live(lives), ChangePolicy(ignore=(REPLICAS,))).changes
    assert change.after is not None
    assert change.after.spec.replicas == 5
    assert [field.path for field in change.fields] == ["spec.storageUri"]


def test_rule_of_another_kind_namespace_or_name_does_not_count():
    """A rule is narrowed by all that it names."""
    for rule in (
        replace(REPLICAS, kind="Server"),
        replace(REPLICAS, namespace="prod"),
        replace(REPLICAS, name="wine"),
    ):
        policy = ChangePolicy(ignore=(rule,))
        found = diff(desired(model("iris", replicas=1)), live(model("iris", replicas=5)), policy)
        assert changed(found) == {"iris": "update"}


def test_ignored_annotation_with_a_slash_is_found():
    """``~1`` is a slash (RFC 6901)."""
    rule = IgnoredDifference("Model", ("/metadata/annotations/team~1note",))
    lives = replace(model("iris"), annotations={"team/note": "x"})
    assert with_ignored(model("iris"), lives, [rule]).annotations == {"team/note": "x"}


def test_rule_that_makes_no_valid_resource_is_left_out():
    """Ignoring a whole spec cannot make a model without one."""
    rule = IgnoredDifference("Model", ("/spec/requirements/0", "/spec/memory/x"))
    assert with_ignored(model("iris"), model("iris", memory="2G"), [rule]) == model("iris")


@pytest.mark.parametrize(
    "text", ["", "spec/replicas", "/", "/spec", "/status/x", "/metadata/name", "/" * 600]
)
def test_pointer_that_leads_nowhere_is_refused(text):
    """What cannot be ignored is said when the configuration is read."""
    with pytest.raises(InputError, match="InvalidPointer"):
        check_pointer(text)


@given(st.lists(st.text(max_size=30), max_size=3), st.sampled_from(["/spec/", "/metadata/labels/"]))
def test_no_pointer_breaks_a_comparison(steps, head):
    """Any text is a pointer to something, to nothing, or refused."""
    pointer = head + "/".join(steps)
    try:
        check_pointer(pointer)
    except InputError:
        return
    rule = IgnoredDifference("Model", (pointer,))
    with_ignored(model("iris", memory="1G"), model("iris", replicas=2), [rule])
