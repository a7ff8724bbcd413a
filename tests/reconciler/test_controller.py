"""The state machine: what it does about each event. Interleavings are in test_interleavings."""

from dataclasses import dataclass

from reconciler.control.attempts import PATIENCE, Rules
from reconciler.control.controller import REBALANCE, ApplicationState, State, step
from reconciler.control.events import (
    Action,
    Configured,
    Deny,
    Event,
    Execute,
    Executed,
    Gated,
    Look,
    Looked,
    MakePlan,
    PlanFailed,
    Planned,
    Rebalance,
    RebalanceAsked,
    Rebalanced,
    Removed,
    SourceHint,
    Stale,
    SyncAsked,
    Tick,
    Wake,
    WorldHint,
)
from reconciler.control.sync_policy import HEAL, RETRY, Backoff

FIRST_RETRY, LAST_RETRY = RETRY.first, RETRY.most


@dataclass
class Machine:
    """The production machine with its state kept and its clock in hand."""

    state: State
    now: float = 0.0

    def __call__(self, event: Event) -> tuple[Action, ...]:
        self.state, actions = step(self.state, event, self.now)
        return actions


def machine(*names: str, auto: bool = True) -> Machine:
    return Machine(State({name: ApplicationState(auto=auto) for name in names or ("app",)}))


def started(revision: str = "r1", auto: bool = True) -> Machine:
    """A machine that has looked once and is planning ``revision``."""
    m = machine(auto=auto)
    m(Tick())
    m(Looked("app", 1, revision))
    return m


def failing(digest: str = "d") -> Machine:
    """A machine whose first plan was executed and left everything to do."""
    m = started()
    m(Planned("app", "r1", 0, digest, empty=False))
    m(Executed("app", digest))
    return m


def test_first_event_looks_at_every_source():
    """Whatever comes first, every source is looked at."""
    assert machine("a", "b")(Tick()) == (Look("a", 1), Look("b", 1))


def test_what_was_looked_at_is_planned_and_executed():
    """Look, plan, execute, and plan again to see whether it was enough."""
    m = machine()
    m(Tick())
    assert m(Looked("app", 1, "r1")) == (MakePlan("app", "r1", 0),)
    assert m(Planned("app", "r1", 0, "d", empty=False)) == (Execute("app", "d"),)
    assert m(Executed("app", "d")) == (MakePlan("app", "r1", 1),)
    assert m(Planned("app", "r1", 1, "", empty=True)) == ()


def test_push_during_a_sync_is_planned_after_it():
    """The look happens at once, the plan as soon as the sync has ended."""
    m = started()
    m(Planned("app", "r1", 0, "d", empty=False))
    assert m(SourceHint("app")) == (Look("app", 2),)
    assert m(Looked("app", 2, "r2")) == ()
    assert m(Executed("app", "d")) == (MakePlan("app", "r2", 1),)


def test_hint_during_a_look_is_looked_at_again():
    """A look that began before the hint may have read the ref too early."""
    m = machine()
    m(Tick())
    assert m(SourceHint("app")) == ()
    assert Look("app", 2) in m(Looked("app", 1, "r1"))


def test_many_hints_during_a_look_cost_one_look():
    """Hints are counted, looks are not queued."""
    m = machine()
    m(Tick())
    for _ in range(5):
        m(SourceHint("app"))
    m(Looked("app", 1, "r1"))
    assert m(Looked("app", 6, "r1")) == ()


def test_failed_look_keeps_the_last_revision():
    """A source that cannot be read changes nothing about what is wanted."""
    m = started()
    m(Planned("app", "r1", 0, "", empty=True))
    m(SourceHint("app"))
    assert m(Looked("app", 2, None)) == ()
    assert m.state.applications["app"].revision == "r1"


def test_failed_first_look_plans_nothing():
    """Without any revision there is nothing to compare with."""
    m = machine()
    m(Tick())
    assert m(Looked("app", 1, None)) == ()
    assert m(WorldHint()) == ()


def test_changed_world_is_planned():
    """Drift is noticed without a push."""
    m = started()
    m(Planned("app", "r1", 0, "", empty=True))
    assert m(WorldHint()) == (MakePlan("app", "r1", 1),)


def test_world_that_changes_while_planning_is_planned_again():
    """What was planned is of the world before; a hint during it is not lost."""
    m = started()
    m(WorldHint())
    assert m(Planned("app", "r1", 0, "", empty=True)) == (MakePlan("app", "r1", 1),)


def test_plan_of_an_overtaken_revision_is_not_executed():
    """A push that arrives while planning is planned instead."""
    m = started()
    m(SourceHint("app"))
    m(Looked("app", 2, "r2"))
    assert m(Planned("app", "r1", 0, "d", empty=False)) == (MakePlan("app", "r2", 0),)


def test_stale_plan_is_made_again():
    """A plan that was dropped untouched is remade from what is known now."""
    m = started()
    m(Planned("app", "r1", 0, "d", empty=False))
    assert m(Stale("app")) == (MakePlan("app", "r1", 1),)


def test_application_without_auto_is_planned_and_never_executed():
    """The plan is there to be looked at."""
    m = started(auto=False)
    assert m(Planned("app", "r1", 0, "d", empty=False)) == ()
    assert m(WorldHint()) == (MakePlan("app", "r1", 1),)


def test_same_plan_waits_before_it_is_tried_again():
    """A plan that left itself to do again is not executed again at once."""
    m = failing()
    assert m(Planned("app", "r1", 1, "d", empty=False)) == (Wake(FIRST_RETRY),)
    m.now = FIRST_RETRY
    assert m(Tick()) == (MakePlan("app", "r1", 1),)
    assert m(Planned("app", "r1", 1, "d", empty=False)) == (Execute("app", "d"),)


def test_wait_doubles_up_to_a_bound():
    """5, 10, 20, … 180 seconds."""
    m = started()
    m(Planned("app", "r1", 0, "d", empty=False))
    waits = []
    for world in range(1, 9):
        m(Executed("app", "d"))
        (wake,) = m(Planned("app", "r1", world, "d", empty=False))
        assert isinstance(wake, Wake)
        waits.append(wake.at - m.now)
        m.now = wake.at
        m(Tick())
        m(Planned("app", "r1", world, "d", empty=False))
    assert waits == [min(FIRST_RETRY * 2**n, LAST_RETRY) for n in range(8)]


def test_another_plan_is_tried_at_once():
    """After a failed load the next plan may know another server."""
    m = failing()
    assert m(Planned("app", "r1", 1, "other", empty=False)) == (Execute("app", "other"),)


def test_patience_ends_even_with_ever_new_plans():
    """Plans that differ each time and settle nothing do not run without pause."""
    m = started()
    for number in range(PATIENCE):
        assert m(Planned("app", "r1", number, f"d{number}", empty=False)) == (Execute("app", f"d{number}"),)
        m(Executed("app", f"d{number}"))
    (wake,) = m(Planned("app", "r1", PATIENCE, "yet another", empty=False))
    assert isinstance(wake, Wake)


def test_new_revision_is_tried_at_once():
    """Who pushes a mend need not wait for the retries of what was broken."""
    m = started()
    for number in range(PATIENCE):
        m(Planned("app", "r1", number, f"d{number}", empty=False))
        m(Executed("app", f"d{number}"))
    m(Planned("app", "r1", PATIENCE, "d", empty=False))
    m(SourceHint("app"))
    assert m(Looked("app", 2, "r2")) == (MakePlan("app", "r2", PATIENCE),)
    assert m(Planned("app", "r2", PATIENCE, "mended", empty=False)) == (Execute("app", "mended"),)


def test_revision_with_the_same_effects_goes_on_waiting():
    """An unrelated commit does not make a plan worth trying that just failed."""
    m = failing()
    m(Planned("app", "r1", 1, "d", empty=False))
    m(SourceHint("app"))
    m(Looked("app", 2, "r2"))
    assert m(Planned("app", "r2", 1, "d", empty=False)) == (Wake(FIRST_RETRY),)


def test_empty_plan_ends_the_count_of_attempts():
    """What failed yesterday does not slow down today."""
    m = failing()
    m(Planned("app", "r1", 1, "", empty=True))
    m(WorldHint())
    assert m(Planned("app", "r1", 2, "d", empty=False)) == (Execute("app", "d"),)


def test_plan_that_cannot_be_made_does_not_spin():
    """It is tried again later, longer each time."""
    m = started()
    assert m(PlanFailed("app", "r1", 0)) == (Wake(FIRST_RETRY),)
    assert m(Tick()) == ()
    m.now = FIRST_RETRY
    assert m(Tick()) == (MakePlan("app", "r1", 0),)
    assert m(PlanFailed("app", "r1", 0)) == (Wake(FIRST_RETRY + 2 * FIRST_RETRY),)


def test_plan_that_is_not_to_be_executed_is_made_once():
    """Where auto is off, a plan that could not be made is made later and then left alone."""
    m = started(auto=False)
    m(PlanFailed("app", "r1", 0))
    m.now = FIRST_RETRY
    m(Tick())
    assert m(Planned("app", "r1", 0, "d", empty=False)) == ()


def test_plan_that_cannot_be_made_is_tried_for_a_new_revision():
    """A mended manifest is planned at once."""
    m = started()
    m(PlanFailed("app", "r1", 0))
    m(SourceHint("app"))
    assert m(Looked("app", 2, "r2")) == (MakePlan("app", "r2", 0),)


def test_two_applications_take_turns():
    """With both always due neither is planned twice in a row."""
    m = machine("a", "b")
    m(Tick())
    m(Looked("a", 1, "r1"))
    (first,) = (app for app in ("a", "b") if m.state.busy == app)
    m(Looked("b", 1, "r1"))
    turns = [first]
    for _ in range(6):
        (action,) = m(Stale(turns[-1]))
        assert isinstance(action, MakePlan)
        turns.append(action.application)
    assert turns == ["a", "b"] * 3 + ["a"]


def test_only_one_application_is_busy():
    """Placement covers the whole runtime: a second plan waits for the first one's sync."""
    m = machine("a", "b")
    m(Tick())
    m(Looked("a", 1, "r1"))
    assert m(Looked("b", 1, "r1")) == ()
    assert m(Planned("a", "r1", 0, "d", empty=False)) == (Execute("a", "d"),)
    assert m(WorldHint()) == ()


# Drift


def settled(rules: Rules | None = None) -> Machine:
    """A machine for which nothing is left to do at r1."""
    m = machine()
    m(Configured("app", rules or Rules()))
    m(Tick())
    m(Looked("app", 1, "r1"))
    m(Planned("app", "r1", 0, "", empty=True))
    return m


def drifted(m: Machine, digest: str = "heal") -> tuple[Action, ...]:
    """Live drift is seen and planned; what follows."""
    m(WorldHint())
    return m(Planned("app", "r1", m.state.world, digest, empty=False))


def mended(m: Machine, digest: str = "heal") -> None:
    """The sync that mends it ends, and leaves nothing."""
    m(Executed("app", digest))
    m(Planned("app", "r1", m.state.world, "", empty=True))


def test_first_drift_is_mended_at_once():
    """Nothing was mended lately, so nothing has to calm down."""
    assert drifted(settled()) == (Execute("app", "heal"),)


def test_drift_that_comes_back_waits_longer_each_time():
    """2, 6, 18, … 300 seconds after the last mend began."""
    m = settled()
    assert drifted(m) == (Execute("app", "heal"),)
    waits = []
    for _ in range(6):
        mended(m)
        (wake,) = drifted(m)
        assert isinstance(wake, Wake)
        waits.append(wake.at - m.now)
        m.now = wake.at
        m(Tick())
        assert m(Planned("app", "r1", m.state.world, "heal", empty=False)) == (Execute("app", "heal"),)
    assert waits == [min(HEAL.first * HEAL.factor**n, HEAL.most) for n in range(6)]


def test_drift_after_a_calm_time_is_new():
    """What was mended an hour ago does not slow down today."""
    m = settled()
    drifted(m)
    mended(m)
    m.now += 3600
    assert drifted(m) == (Execute("app", "heal"),)


def test_without_self_heal_drift_is_shown_and_left():
    """The plan is there to be looked at; a push is still synced."""
    m = settled(Rules(self_heal=False))
    assert drifted(m) == ()
    m(SourceHint("app"))
    assert m(Looked("app", 2, "r2")) == (MakePlan("app", "r2", 1),)
    assert m(Planned("app", "r2", 1, "d", empty=False)) == (Execute("app", "d"),)


def test_what_waited_for_room_is_no_drift():
    """A plan that becomes possible is not mending: it is what was wanted all the time."""
    m = machine()
    m(Configured("app", Rules(self_heal=False)))
    m(Tick())
    m(Looked("app", 1, "r1"))
    m(Planned("app", "r1", 0, "", empty=True, waiting=True))
    assert drifted(m) == (Execute("app", "heal"),)


# Limits


def test_after_the_last_retry_the_same_plan_is_left():
    """A limit of two means the first attempt and two more."""
    m = machine()
    m(Configured("app", Rules(retry=Backoff(5, 2, 180, limit=2))))
    m(Tick())
    m(Looked("app", 1, "r1"))
    syncs = 0
    for _ in range(5):
        actions = m(Planned("app", "r1", m.state.world, "d", empty=False))
        if actions and isinstance(actions[0], Execute):
            syncs += 1
            m(Executed("app", "d"))
        else:
            m.now += 1000
            m(Tick())
    assert syncs == 3


def test_exhausted_retries_try_a_plan_that_differs():
    """What it waited for has changed: memory is free, a server joined."""
    m = machine()
    m(Configured("app", Rules(retry=Backoff(5, 2, 180, limit=0))))
    m(Tick())
    m(Looked("app", 1, "r1"))
    m(Planned("app", "r1", 0, "d", empty=False))
    m(Executed("app", "d"))
    assert m(Planned("app", "r1", 1, "d", empty=False)) == ()
    m(WorldHint())
    assert m(Planned("app", "r1", 2, "other", empty=False)) == (Execute("app", "other"),)


def test_terminated_sync_is_not_tried_again():
    """Who ends a sync does not want it back in five seconds."""
    m = started()
    m(Planned("app", "r1", 0, "d", empty=False))
    m(Executed("app", "d", terminated=True))
    assert m(Planned("app", "r1", 1, "d", empty=False)) == ()


def test_push_during_a_sync_that_is_terminated_is_synced():
    """What was pushed meanwhile is not what was ended."""
    m = started()
    m(Planned("app", "r1", 0, "d", empty=False))
    m(SourceHint("app"))
    m(Looked("app", 2, "r2"))
    assert m(Executed("app", "d", terminated=True)) == (MakePlan("app", "r2", 1),)
    assert m(Planned("app", "r2", 1, "e", empty=False)) == (Execute("app", "e"),)


# Gates


def test_closed_gate_plans_and_does_not_execute():
    """A suspended application is still compared."""
    m = started()
    m(Gated("app", False, False))
    assert m(Planned("app", "r1", 0, "d", empty=False)) == ()


def test_opened_gate_plans_and_executes():
    """What was held is done as soon as it may."""
    m = started()
    m(Gated("app", False, False))
    m(Planned("app", "r1", 0, "d", empty=False))
    assert m(Gated("app", True, True)) == (MakePlan("app", "r1", 0),)
    assert m(Planned("app", "r1", 0, "d", empty=False)) == (Execute("app", "d"),)


def test_a_plan_that_is_not_approved_waits_until_the_world_moves():
    """Nothing is executed; an approval moves the world, and the plan is made again."""
    m = started()
    assert m(Planned("app", "r1", 0, "d", empty=False, approved=False)) == ()
    assert m(Tick()) == ()
    assert m(WorldHint()) == (MakePlan("app", "r1", 1),)
    assert m(Planned("app", "r1", 1, "d", empty=False)) == (Execute("app", "d"),)


def test_a_plan_that_is_not_approved_uses_up_no_attempt():
    """What fails before it waits is tried at once when it may."""
    m = failing()
    m(Planned("app", "r1", 1, "d", empty=False, approved=False))
    m(WorldHint())
    assert m(Planned("app", "r1", 2, "d", empty=False)) == (Execute("app", "d"),)


def test_unchanged_gate_costs_no_plan():
    """Telling it again changes nothing."""
    m = started()
    m(Planned("app", "r1", 0, "", empty=True))
    assert m(Gated("app", True, True)) == ()


# What people ask for


def test_asked_sync_is_executed_where_auto_is_off():
    """The person is the one who decides there."""
    m = started(auto=False)
    m(Planned("app", "r1", 0, "d", empty=False))
    assert m(SyncAsked("app", 7)) == (MakePlan("app", "r1", 0, 7),)
    assert m(Planned("app", "r1", 0, "d", empty=False, request=7)) == (Execute("app", "d", 7),)
    m(Executed("app", "d", request=7))
    assert m.state.applications["app"].requests == ()


def test_asked_sync_does_not_wait_for_a_retry():
    """People need not wait for backoffs."""
    m = failing()
    m(Planned("app", "r1", 1, "d", empty=False))
    m(SyncAsked("app", 7))
    assert m(Planned("app", "r1", 1, "d", empty=False, request=7)) == (Execute("app", "d", 7),)


def test_asked_sync_waits_for_its_turn():
    """One executor at a time, also for people."""
    m = started()
    m(Planned("app", "r1", 0, "d", empty=False))
    assert m(SyncAsked("app", 7)) == ()
    assert m(Executed("app", "d")) == (MakePlan("app", "r1", 1, 7),)


def test_asked_sync_behind_a_closed_gate_is_denied():
    """It is answered, not forgotten."""
    m = started()
    m(Planned("app", "r1", 0, "", empty=True))
    m(Gated("app", False, False))
    m(SyncAsked("app", 7))
    assert Deny("app", 7) in m(Planned("app", "r1", 0, "d", empty=False, request=7))
    assert m.state.applications["app"].requests == ()


def test_stale_plan_of_a_request_is_made_again():
    """What the world did in between does not lose what a person asked for."""
    m = started()
    m(Planned("app", "r1", 0, "", empty=True))
    m(SyncAsked("app", 7))
    m(Planned("app", "r1", 0, "d", empty=False, request=7))
    assert m(Stale("app")) == (MakePlan("app", "r1", 1, 7),)


# Applications come and go


def test_configured_application_is_looked_at():
    """A new application needs no restart."""
    m = started()
    m(Planned("app", "r1", 0, "", empty=True))
    assert m(Configured("other", Rules())) == (Look("other", 1),)


def test_removed_application_is_left_alone():
    """What it was busy with ends, and the next one has its turn."""
    m = machine("a", "b")
    m(Tick())
    m(Looked("a", 1, "r1"))
    m(Looked("b", 1, "r1"))
    m(Planned("a", "r1", 0, "d", empty=False))
    assert m(Removed("a")) == ()
    assert m(Executed("a", "d")) == (MakePlan("b", "r1", 1),)


def test_removed_application_answers_what_was_asked():
    """A request to what is gone is denied."""
    m = started()
    m(SyncAsked("app", 7))
    assert m(Removed("app")) == (Deny("app", 7),)
    assert m(SyncAsked("app", 8)) == (Deny("app", 8),)


def test_push_comes_before_what_the_world_did():
    """With a hundred applications a push does not wait for a hundred plans."""
    m = machine("a", "b", "c")
    m(Tick())
    for name in "abc":
        m(Looked(name, 1, "r1"))
        m(Planned(name, "r1", 0, "", empty=True))
    m(WorldHint())
    busy = m.state.busy
    m(SourceHint("c"))
    m(Looked("c", 2, "r2"))
    (action,) = m(Planned(busy, "r1", 1, "", empty=True))
    assert action == MakePlan("c", "r2", 1)


def test_a_rebalance_waits_for_the_sync_under_way():
    """One executor: what a person asked for comes right after it, then everything is planned again."""
    m = started()
    m(Planned("app", "r1", 0, "d", empty=False))
    assert m(RebalanceAsked(1)) == ()
    assert m(Executed("app", "d")) == (Rebalance(1),)
    assert m.state.busy == REBALANCE
    assert m(WorldHint()) == ()
    assert m(Rebalanced(1)) == (MakePlan("app", "r1", 3),)
    assert m.state.rebalance is None


def test_a_rebalance_is_done_at_once_where_nobody_is_busy():
    """It does not wait for something to happen."""
    m = started()
    m(Planned("app", "r1", 0, "", empty=True))
    assert m(RebalanceAsked(1)) == (Rebalance(1),)


def test_a_second_rebalance_is_not_heard():
    """Its plan could not be that of the first any more."""
    m = started()
    m(RebalanceAsked(1))
    m(RebalanceAsked(2))
    assert m(Planned("app", "r1", 0, "", empty=True)) == (Rebalance(1),)
    assert m(RebalanceAsked(3)) == ()
    assert m(Rebalanced(1)) == (MakePlan("app", "r1", 1),)


def test_a_sync_that_is_asked_for_comes_before_a_rebalance():
    """People who wait for their commit go first."""
    m = started()
    m(RebalanceAsked(1))
    m(SyncAsked("app", 7))
    assert m(Planned("app", "r1", 0, "", empty=True)) == (MakePlan("app", "r1", 0, 7),)
    assert m(Planned("app", "r1", 0, "", empty=True, request=7)) == (Rebalance(1),)
