"""Whether a plan is the one that was shown: by what the merge makes of the tree, and by its effects."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.control.approval import Previewed, judge_plan
from reconciler.control.intent import NOTHING_SAID, ApprovedPlan, Said, approve_plan
from reconciler.planning.plan import Plan
from reconciler.planning.planner import basis_facts, plan
from tests.preview.stories import at_rest
from tests.reconciler.world import POLICY, desired, model, server

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
BASE, HEAD = [server(), model("a")], [server(), model("a"), model("b")]
LIVE = at_rest(("app", BASE))
WANTED = desired(*HEAD, revision="merge")
MADE = plan(WANTED, LIVE, POLICY)
FACTS = basis_facts(WANTED, LIVE, POLICY)
ADA = Said("ada", NOW)


def shown(made: Plan = MADE, tree: str = WANTED.tree, **facts: object) -> Previewed:
    said = {"facts": FACTS, "where": "acme/models#7", "url": "https://git.example.org/7", "at": NOW, **facts}
    return Previewed("app", tree, made, **said)  # type: ignore[arg-type]  # facts are of its fields


def test_the_plan_that_was_shown_matches():
    """By the tree of the merge: whatever its commit is called."""
    found = judge_plan(MADE, WANTED.tree, FACTS, [shown()], (), NOW)
    assert (found.standing, found.where, found.passes) == ("Matches", "acme/models#7", True)


def test_a_push_that_nobody_showed_has_no_approved_plan():
    """A direct push."""
    found = judge_plan(MADE, WANTED.tree, FACTS, [], (), NOW)
    assert (found.standing, found.passes) == ("NoApprovedPlan", False)
    assert found.message == "no approved plan: no pull request showed it"


def test_another_plan_of_the_same_merge_differs_and_names_what_changed():
    """Here a server replica was lost since."""
    fewer = at_rest(("app", [server(memory="1k"), model("a", memory="1k")]))
    now = plan(WANTED, fewer, POLICY)
    found = judge_plan(now, WANTED.tree, basis_facts(WANTED, fewer, POLICY), [shown()], (), NOW)
    assert (found.standing, found.digest) == ("PlanDiffers", MADE.digest)
    assert "server replicas" in found.changed
    assert any(line.startswith("+ server replica default/mlserver/0: replace") for line in found.difference)


def test_a_merge_onto_a_base_that_moved_differs_by_the_manifests():
    """The provider says which commit the pull request became; its tree is not the one that was shown."""
    other = desired(*HEAD, model("c"), revision="merge")
    now = plan(other, LIVE, POLICY)
    seen = [shown(merge_commit="merge")]
    found = judge_plan(now, other.tree, basis_facts(other, LIVE, POLICY), seen, (), NOW)
    assert (found.standing, found.changed[0].partition(":")[0]) == ("PlanDiffers", "the manifests")
    assert any("Model default/c: create" in line for line in found.difference)


def test_a_merge_onto_a_base_that_moved_matches_where_the_effects_are_the_same():
    """Approval compares effects: a comment in another file changes none."""
    found = judge_plan(
        replace(MADE, revision="merge"), "other tree", FACTS, [shown(merge_commit="merge")], (), NOW
    )
    assert found.standing == "Matches"


def test_an_approval_holds_for_its_plan_until_its_time():
    """Bound to the digest: another plan, or a later time, is not approved."""
    approved = [ApprovedPlan(MADE.digest, NOW + timedelta(hours=1), ADA)]
    found = judge_plan(MADE, WANTED.tree, FACTS, [], approved, NOW)
    assert (found.standing, found.by, found.passes) == ("Approved", "ada", True)
    late = judge_plan(MADE, WANTED.tree, FACTS, [], approved, NOW + timedelta(hours=1))
    other = judge_plan(replace(MADE, digest="other"), WANTED.tree, FACTS, [], approved, NOW)
    assert (late.standing, other.standing) == ("NoApprovedPlan", "NoApprovedPlan")


def test_an_approval_takes_the_place_of_what_is_over():
    """What held until before it was said is forgotten, and a plan is approved once."""
    old = ApprovedPlan("old", NOW, ADA)
    again = ApprovedPlan("one", NOW + timedelta(hours=2), ADA)
    intent = NOTHING_SAID
    for each in (old, ApprovedPlan("one", NOW + timedelta(hours=1), ADA), again):
        intent = approve_plan(intent, each)
    assert intent.plans == (again,)
