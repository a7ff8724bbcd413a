"""Desired against live: changes, their fields, and what is held back."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings

from reconciler.control.sync_policy import PrunePolicy
from reconciler.planning.diff import diff, field_changes
from reconciler.planning.guards import ChangePolicy
from runtime.state import AppliedResource, LiveState
from schemas.load import SkippedDocument, combine, read_file
from schemas.resource import Origin, key
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.strategies import revisions
from tests.reconciler.world import POLICY, desired, model, names, server, settle

PRUNE = ChangePolicy()


def live(*resources, owner: str = "app") -> LiveState:
    ordered = sorted(resources, key=lambda r: r.key)
    return LiveState(tuple(AppliedResource(r, owner) for r in ordered))


def actions(found) -> list[tuple[str, str]]:
    return [(change.action, change.key.name) for change in found.changes]


def held(found) -> list[tuple[str, str]]:
    return [(item.key.name, item.reason) for item in found.held]


def test_new_changed_and_gone():
    """Create, update and delete, sorted by key."""
    found = diff(desired(model("a"), model("b", memory="1G")), live(model("b"), model("c")), PRUNE)
    assert actions(found) == [("create", "a"), ("update", "b"), ("delete", "c")]


@settings(max_examples=50, deadline=None)
@given(revisions())
def test_nothing_differs_from_itself(resources):
    """What was applied is no difference, nor is where it was read from."""
    moved = [replace(r, origin=Origin("git", "elsewhere.yaml", 9, 9)) for r in resources]
    found = diff(desired(*moved), live(*resources), PRUNE)
    assert (found.changes, found.held) == ((), ())


def test_manifest_that_says_less_is_no_difference():
    """Defaults written out and left out mean the same."""
    head = "apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\nmetadata: {name: iris}\nspec:\n  storageUri: gs://m\n"
    said = "  preloaded: false\n  dedicated: false\n  requirements: []\n  dataflow: {cleanTopicsOnDelete: false}\n"
    short, long = (
        combine([read_file("m.yaml", text.encode(), "default")]).resources for text in (head, head + said)
    )
    assert names(short) == ["Model default/iris"]
    assert diff(desired(*long), live(*short), PRUNE).changes == ()


def test_fields_that_differ_are_named_by_path():
    """Path, before and after, sorted; labels and annotations count too."""
    before = model("iris", memory="1G")
    after = replace(model("iris", replicas=2), labels={"team": "a"})
    assert [(f.path, f.before, f.after) for f in field_changes(before, after)] == [
        ("metadata.labels.team", None, "a"),
        ("spec.memory", 1_000_000_000, None),
        ("spec.replicas", None, 2),
    ]


def test_resource_of_another_owner_is_held():
    """Neither updated nor pruned, and the owner is named."""
    found = diff(desired(model("a", memory="1G")), live(model("a"), model("b"), owner="other"), PRUNE)
    assert (actions(found), held(found)) == ([], [("a", "OwnedByOther")])
    assert "other" in found.held[0].message


@pytest.mark.parametrize(
    ("wanted", "policy", "reason"),
    [
        (desired(server()), ChangePolicy(PrunePolicy("off")), "PruneDisabled"),
        (desired(server(), unreadable=True), PRUNE, "PruneHeld"),
        (desired(), PRUNE, "PruneRefusedEmpty"),
    ],
)
def test_what_left_git_is_held(wanted, policy, reason):
    """Each guard by its own word."""
    assert ("old", reason) in held(diff(wanted, live(model("old")), policy))
    assert ("delete", "old") not in actions(diff(wanted, live(model("old")), policy))


def test_empty_revision_deletes_everything_once_allowed():
    """The configuration may say that it is meant."""
    assert actions(diff(desired(), live(model("a")), ChangePolicy(PrunePolicy(allow_empty=True)))) == [
        ("delete", "a")
    ]


def test_broken_manifest_is_not_pruned():
    """It is there, only wrong."""
    wanted = desired(server(), invalid=(key("Model", "default", "a"),))
    assert actions(diff(wanted, live(server(), model("a"), model("b")), PRUNE)) == [("delete", "b")]


def test_skipped_document_of_the_same_name_holds_all_pruning():
    """It may be the resource itself with a typing error in its apiVersion."""
    skipped = SkippedDocument("m.yaml", 1, "mlop.seldon.io/v1alpha1", "Model", "default", "a")
    wanted = desired(server(), skipped=(skipped,))
    assert held(diff(wanted, live(model("a"), model("b")), PRUNE)) == [("a", "PruneHeld"), ("b", "PruneHeld")]


def test_skipped_document_of_another_name_holds_nothing():
    """A Deployment beside the models is none of our business."""
    skipped = SkippedDocument("d.yaml", 1, "apps/v1", "Deployment", "default", "web")
    assert actions(diff(desired(server(), skipped=(skipped,)), live(server(), model("a")), PRUNE)) == [
        ("delete", "a")
    ]


def test_hostile_words_of_a_skipped_document_are_bounded():
    """What a message repeats from a manifest is short and has no control characters."""
    skipped = SkippedDocument("m.yaml", 1, "x\x1b[31m\n" + "y" * 10_000, "Model", "default", "a")
    (item,) = diff(desired(server(), skipped=(skipped,)), live(server(), model("a")), PRUNE).held
    assert item.message.isprintable()
    assert len(item.message) < 500


@settings(max_examples=25, deadline=None)
@given(revisions(), revisions())
def test_applied_changes_leave_no_difference(before, after):
    """After a sync the same revision is no difference."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(*before), world)
        await settle(desired(*after), world)
        return await world.observe()

    found = diff(desired(*after), asyncio.run(story()), POLICY.changes)
    assert (found.changes, found.held) == ((), ())
