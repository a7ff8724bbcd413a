"""Where an application goes back to, decided without a world."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.control.rollback import (
    LONGEST_PROOF,
    Good,
    RollBack,
    Seen,
    Trial,
    Until,
    Verdict,
    abandon,
    decide,
    follow,
    seen,
    sync_to_restore,
)
from reconciler.health import Health, HealthStatus
from reconciler.status import ApplicationStatus, Phase, ResourceStatus, SyncRecord
from schemas.codec import decode, encode_terse
from schemas.errors import InputError
from schemas.resource import key

START = datetime(2026, 1, 2, tzinfo=UTC)
AFTER = 300.0
FIRST = Seen("a1", "a", "Healthy", synced=True, idle=True, sync=1, failed=False)


@dataclass
class World:
    """One application, told step by step; the clock is in seconds since the start."""

    after: float = AFTER
    clock: float = 0.0
    trial: Trial | None = None
    found: Seen = FIRST

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.clock)

    def see(self, seconds: float = 0.0, **facts: object) -> Verdict:
        """That is seen, ``seconds`` later; then what the policy says."""
        self.clock += seconds
        self.found = replace(self.found, **facts)  # type: ignore[arg-type]  # names of its fields
        self.trial = follow(self.trial, self.found, self.after, self.now)
        return decide(self.trial, self.found, self.after, self.now)

    def prove(self) -> "World":
        """What is there is Synced and Healthy for long."""
        self.see()
        self.see(1000.0)
        return self

    def push(self, tree: str, seconds: float = 1.0) -> Verdict:
        """Another tree is wanted, planned, and executed by the next sync."""
        before = self.found.sync
        self.see(seconds, revision=f"{tree}1", tree=tree, idle=False, synced=False)
        return self.see(1.0, sync=before + 1, idle=True, synced=True)

    def ail(self, seconds: float = 0.0) -> Verdict:
        return self.see(seconds, health="Degraded", trouble="Model default/iris LoadFailed")


def test_a_bad_revision_is_left_for_the_last_good_one() -> None:
    """Not before the time, and then with why."""
    world = World().prove()
    world.push("b")
    assert world.ail() == Until(world.now + timedelta(seconds=AFTER))
    assert isinstance(world.see(AFTER - 1), Until)
    why = "Degraded for 300 s at b1: Model default/iris LoadFailed"
    assert world.see(1.0) == RollBack("a1", why)


def test_a_sync_that_fails_counts_as_well() -> None:
    """Where nothing is Degraded, the step that failed is the reason."""
    world = World().prove()
    world.see(1.0, revision="b1", tree="b", idle=False, synced=False, health="Progressing")
    world.see(1.0, sync=2, failed=True, trouble="start mlserver/0 SyncTimeout")
    assert world.see(AFTER) == RollBack("a1", "sync failed for 300 s at b1: start mlserver/0 SyncTimeout")


def test_what_got_well_in_time_stays() -> None:
    """The count begins anew with the next trouble."""
    world = World().prove()
    world.push("b")
    world.ail()
    world.see(AFTER - 1, health="Healthy")
    assert isinstance(world.ail(2.0), Until)


def test_a_flicker_is_no_recovery() -> None:
    """A model that is loaded again and again in vain is Progressing in between."""
    world = World().prove()
    world.push("b")
    world.ail()
    world.see(AFTER - 1, health="Progressing")
    assert isinstance(world.ail(2.0), RollBack)


def test_nothing_is_done_while_it_is_getting_better() -> None:
    """What loads right now is given its time."""
    world = World().prove()
    world.push("b")
    world.ail()
    assert world.see(2 * AFTER, health="Progressing") is None


def test_trouble_from_before_the_push_is_no_reason() -> None:
    """Going back would not help."""
    world = World().prove()
    world.ail()
    world.push("b")
    assert world.see(2 * AFTER) is None


def test_trouble_from_before_is_forgotten_once_it_is_over() -> None:
    """After that the revision stands for itself."""
    world = World().prove()
    world.ail()
    world.push("b")
    world.see(1.0, health="Healthy")
    world.ail(1.0)
    assert isinstance(world.see(AFTER), RollBack)


def test_a_mend_that_fails_too_goes_back_as_well() -> None:
    """It has its own time; what ails began with a push, so going back helps."""
    world = World().prove()
    world.push("b")
    world.ail()
    world.push("c", AFTER - 10)
    assert isinstance(world.see(20.0), Until)
    assert world.see(AFTER) == RollBack("a1", "Degraded for 300 s at c1: Model default/iris LoadFailed")


def test_commits_that_change_nothing_of_it_do_not_put_it_off() -> None:
    """A busy repository with many applications in it."""
    world = World().prove()
    world.push("b")
    world.ail()
    world.see(AFTER - 1, revision="b2")
    assert isinstance(world.see(1.0), RollBack)


def test_a_revision_is_left_once() -> None:
    """Who unpins it wants it."""
    world = World().prove()
    world.push("b")
    world.ail()
    assert isinstance(world.see(AFTER), RollBack)
    assert world.trial is not None
    world.trial = abandon(world.trial)
    world.see(health="Healthy")
    world.push("a")
    world.push("b")
    world.ail()
    assert world.see(2 * AFTER) is None


def test_what_was_healthy_for_a_moment_is_nothing_to_go_back_to() -> None:
    """A revision that failed soon after is passed over."""
    world = World().prove()
    world.push("b")
    world.see(1.0)
    world.push("c", LONGEST_PROOF.total_seconds() / 2)
    world.ail()
    assert isinstance(found := world.see(AFTER), RollBack)
    assert found.revision == "a1"


def test_without_anything_good_it_stays() -> None:
    """The first revision ever."""
    world = World()
    world.ail()
    assert world.see(2 * AFTER) is None


def test_what_waits_for_its_sync_is_not_blamed() -> None:
    """A closed window: what is Degraded meanwhile is what stood before."""
    world = World().prove()
    world.see(1.0, revision="b1", tree="b", idle=False, synced=False, health="Degraded")
    assert world.see(2 * AFTER) is None


def test_a_wrong_manifest_counts_without_a_sync() -> None:
    """Nothing of it can be executed, so there is nothing to wait for."""
    world = World().prove()
    world.see(
        1.0,
        revision="b1",
        tree="b",
        synced=False,
        health="Degraded",
        trouble="Model default/b InvalidManifest",
    )
    assert isinstance(world.see(AFTER), RollBack)


def test_a_trial_is_kept_on_disk_whole() -> None:
    """As JSON, with its times."""
    trial = Trial("b", 3, True, START, None, True, Good("a1", "a"), ("x", "y"))
    assert decode(Trial, encode_terse(trial)) == trial


HEALTHS: tuple[HealthStatus, ...] = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")
SIGHTINGS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from(HEALTHS),
        st.booleans(),  # something is to be done
        st.booleans(),  # a sync ran since
        st.booleans(),  # it failed
        st.sampled_from((0.0, 1.0, 7.0, 10.0, 25.0)),
    ),
    max_size=40,
)


@given(SIGHTINGS, st.sampled_from((5.0, 20.0, 200.0)))
def test_it_only_ever_goes_back_to_what_was_good(
    told: list[tuple[str, HealthStatus, bool, bool, bool, float]], after: float
) -> None:
    """Whatever happens: to another tree that was Synced and Healthy, from one that has been ailing for the
    time and is now, once for each tree; and what is waited for lies ahead."""
    world, sync = World(after), 1
    good: set[str] = set()
    left: set[str] = set()
    tree, well_since, ailing_since = "", None, None
    for wanted, health, busy, ran, failed, seconds in told:
        sync += ran
        failed = failed and busy
        verdict = world.see(
            seconds,
            revision=f"{wanted}1",
            tree=wanted,
            health=health,
            idle=not busy,
            synced=not busy,
            sync=sync,
            failed=failed,
        )
        if wanted != tree:
            tree, well_since, ailing_since = wanted, None, None
        ails, well = health == "Degraded" or failed, health == "Healthy" and not busy
        well_since = (world.clock if well_since is None else well_since) if well else None
        ailing_since = None if well else world.clock if ails and ailing_since is None else ailing_since
        if well_since is not None and world.clock - well_since >= min(after, 60.0):
            good.add(tree)
        if isinstance(verdict, Until):
            assert verdict.at > world.now
        if isinstance(verdict, RollBack):
            target = verdict.revision[0]
            assert target in good
            assert tree not in {target, *left}
            assert ails
            assert ailing_since is not None
            assert world.clock - ailing_since >= after
            assert world.trial is not None
            world.trial = abandon(world.trial)
            left.add(tree)


@given(SIGHTINGS)
def test_a_good_revision_before_a_bad_one_is_found_again(
    told: list[tuple[str, HealthStatus, bool, bool, bool, float]],
) -> None:
    """Whatever happened before: who was good last is gone back to, in the end."""
    world, sync = World(20.0), 1
    for wanted, health, busy, ran, failed, seconds in told:
        sync += ran
        world.see(
            seconds,
            revision=f"{wanted}1",
            tree=wanted,
            health=health,
            idle=not busy,
            synced=not busy,
            sync=sync,
            failed=failed and busy,
        )
    world.see(1.0, revision="good1", tree="good", health="Healthy", idle=True, synced=True, failed=False)
    world.see(100.0)
    world.push("bad")
    world.ail()
    assert isinstance(verdict := world.see(20.0), RollBack)
    assert verdict.revision == "good1"


# What is seen


def status(*resources: ResourceStatus, last: SyncRecord | None = None, **facts: object) -> ApplicationStatus:
    made = ApplicationStatus("app", "r", "main", "", "default", "OutOfSync", "Degraded", "b1", resources)
    return replace(made, last_sync=last, **facts)  # type: ignore[arg-type]  # names of its fields


def record(sync: int = 7, phase: Phase = "Succeeded", revision: str = "b1", **facts: object) -> SyncRecord:
    made = SyncRecord(sync, "app", revision, "", "", "NewRevision", "", "", phase, "", "")
    return replace(made, **facts)  # type: ignore[arg-type]  # names of its fields


def test_the_first_degraded_resource_is_named() -> None:
    """By its key and its reason."""
    fine = ResourceStatus(key("Model", "default", "a"), "Synced", Health("Healthy", "ModelAvailable"))
    bad = ResourceStatus(key("Model", "default", "iris"), "OutOfSync", Health("Degraded", "LoadFailed"))
    found = seen(status(fine, bad, last=record()), "b", idle=True)
    assert (found.trouble, found.sync, found.ails) == ("Model default/iris LoadFailed", 7, True)


def test_a_failed_step_is_named() -> None:
    """Where no resource is Degraded."""
    failed = record(phase="Failed", results=(("load iris", "LoadFailed: no"), ("route", "Blocked")))
    found = seen(status(last=failed, health="Progressing"), "b", idle=False)
    assert (found.trouble, found.ails) == ("load iris LoadFailed: no", True)


def test_a_failure_that_left_nothing_to_do_is_over() -> None:
    """The world came about by itself."""
    found = seen(status(last=record(phase="Failed"), health="Healthy"), "b", idle=True)
    assert not found.ails


# What people name


def test_a_sync_is_found_by_its_id() -> None:
    """Whatever came of it."""
    syncs = [record(9, "Failed"), record(8)]
    assert sync_to_restore("app", syncs, "b1", 9) == syncs[0]
    with pytest.raises(InputError, match="HistoryEntryNotFound: app has no sync 1"):
        sync_to_restore("app", syncs, "b1", 1)


def test_the_last_good_sync_of_another_revision_is_taken() -> None:
    """Failed ones and those of the current revision are passed over."""
    syncs = [
        record(9, revision="c1"),
        record(8, "Failed"),
        record(7, revision="a1"),
        record(6, revision="x1"),
    ]
    assert sync_to_restore("app", syncs, "c1") == syncs[2]
    with pytest.raises(InputError, match="HistoryEntryNotFound: app has no earlier sync"):
        sync_to_restore("app", syncs[:2], "c1")
