"""Which commit a status speaks of."""

from reconciler.planning.planner import plan
from reconciler.status import ApplicationSource, application_status
from runtime.state import AppliedResource, LiveState
from tests.reconciler.world import POLICY, desired, server

SOURCE = ApplicationSource("app", "repository.git", "main", "", "default")
LIVE = LiveState(resources=(AppliedResource(server(replicas=0), "app"),))


def test_a_commit_that_was_only_read_is_not_synced() -> None:
    """Until the new commit is planned the status is that of the commit before."""
    before, after = desired(server(replicas=0)), desired(revision="r2")
    status = application_status(SOURCE, after, LIVE, plan(before, LIVE, POLICY))
    assert (status.revision, status.sync) == ("r1", "Synced")


def test_a_first_commit_is_unknown_until_it_is_planned() -> None:
    """Before the first plan the commit is named and nothing said about it."""
    status = application_status(SOURCE, desired(revision="r2"), LIVE, None)
    assert (status.revision, status.sync) == ("r2", "Unknown")
