"""What became of each resource of a plan, from the steps that ended."""

from reconciler.planning.order import necessary_steps
from reconciler.planning.plan import Change, Plan
from reconciler.planning.planner import plan
from reconciler.planning.results import resource_results
from runtime.operations import Result
from runtime.state import LiveState
from schemas.resource import key
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY, desired, model, server

DONE, BLOCKED = Result("done"), Result("failed", "Blocked", "load x: LoadFailed")
MADE = plan(desired(server(), model("a")), LiveState(environments=SimulatedRuntime().environments), POLICY)


def results(ended: dict[str, Result], todo: Plan = MADE) -> dict[str, str]:
    return {name: result for name, _, result in resource_results(todo, ended)}


def all_done(**differing: Result) -> dict[str, Result]:
    ids = [step.id for step in necessary_steps(MADE)]
    return {name: differing.get(name.split()[0], DONE) for name in ids}


def test_all_steps_done_is_synced():
    """Every step of the resource ended well."""
    assert set(results(all_done()).values()) == {"Synced"}


def test_one_failed_step_is_a_failed_sync_of_its_resource_alone():
    """The server that a model failed on is synced."""
    found = results(all_done(load=Result("failed", "LoadFailed"), route=BLOCKED))
    assert found == {"Model default/a": "SyncFailed", "Server default/mlserver": "Synced"}


def test_what_is_blocked_as_a_whole_was_not_reached():
    """Nothing of it was begun."""
    ended = all_done(record=BLOCKED, load=BLOCKED, route=BLOCKED)
    assert results(ended)["Model default/a"] == "NotReached"


def test_what_was_half_done_when_the_sync_was_ended_failed():
    """It was written down and never loaded."""
    assert results({"record Model default/a": DONE}) == {
        "Model default/a": "SyncFailed",
        "Server default/mlserver": "NotReached",
    }


def test_a_delete_that_was_done_is_pruned():
    """Argo CD's word for it."""
    gone = Plan("app", "r", "Sync", changes=(Change("delete", key("Model", "default", "a"), None),))
    assert results({"forget Model default/a": DONE}, gone) == {"Model default/a": "Pruned"}
    assert results({}, gone) == {"Model default/a": "NotReached"}
