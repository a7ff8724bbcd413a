"""The state machine: what it does about each event, and what no interleaving can make it do."""

from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.controller import (
    FIRST_RETRY,
    LAST_RETRY,
    PATIENCE,
    Action,
    ApplicationState,
    Event,
    Execute,
    Executed,
    Look,
    Looked,
    MakePlan,
    PlanFailed,
    Planned,
    SourceHint,
    Stale,
    State,
    Tick,
    Wake,
    WorldHint,
    step,
)


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


# Every interleaving


@dataclass
class Ports:
    """Sources, planner and runtime as the carrier shows them to the machine, with everything in flight
    until ``random`` lets it arrive. A world is the set of revisions that serve, by application."""

    random: Random
    names: tuple[str, ...]
    auto: dict[str, bool]
    machine: Machine = field(init=False)
    head: dict[str, int] = field(init=False)
    seen: dict[str, int] = field(default_factory=dict)
    serving: dict[str, int] = field(default_factory=dict)
    plans: dict[str, tuple[int, str, dict[str, int]]] = field(default_factory=dict)
    flights: list[Action] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)
    planned_digests: set[tuple[str, str]] = field(default_factory=set)
    faulty: bool = True

    def __post_init__(self) -> None:
        self.machine = Machine(State({n: ApplicationState(auto=self.auto[n]) for n in self.names}))
        self.head = dict.fromkeys(self.names, 0)
        self.send(Tick())

    def send(self, event: Event) -> None:
        for action in self.machine(event):
            if isinstance(action, Wake):
                self.wakes.append(action.at)
                continue
            if isinstance(action, Execute):
                assert (action.application, action.digest) in self.planned_digests
                assert self.auto[action.application]
            if not isinstance(action, Look):
                assert not any(not isinstance(other, Look) for other in self.flights), "two at once"
            assert not any(other == action for other in self.flights)
            self.flights.append(action)

    def fails(self, one_in: int) -> bool:
        return self.faulty and self.random.randrange(one_in) == 0

    def disturb(self) -> None:
        """Something happens outside: a push with or without its hint, a hint without a push, drift."""
        name = self.random.choice(self.names)
        what = self.random.randrange(4)
        if what == 0:
            self.head[name] += 1
            for _ in range(self.random.choice((0, 1, 1, 3))):
                self.hints.append(name)
        elif what == 1:
            self.hints.append(name)
        elif what == 2:
            self.serving.pop(name, None)
            self.send(WorldHint())
        else:
            self.machine.now += self.random.choice((0.1, 3, 60))

    def arrive(self) -> None:
        """Something in flight arrives, in any order."""
        due = [at for at in self.wakes if at <= self.machine.now]
        choices = [*self.flights, *self.hints, *due]
        if not choices:
            return
        chosen = self.random.choice(choices)
        if isinstance(chosen, str):
            self.hints.remove(chosen)
            self.send(SourceHint(chosen))
        elif isinstance(chosen, float | int):
            self.wakes.remove(chosen)
            self.send(Tick())
        else:
            self.flights.remove(chosen)
            self.finish(chosen)

    def finish(self, action: Action) -> None:
        match action:
            case Look(name, number):
                failed = self.fails(4)
                if not failed:
                    self.seen[name] = self.head[name]
                self.send(Looked(name, number, None if failed else f"r{self.seen[name]}"))
            case MakePlan(name, revision, world):
                self.make_plan(name, revision, world)
            case Execute(name, digest):
                self.execute(name, digest)

    def make_plan(self, name: str, revision: str, world: int) -> None:
        if revision != f"r{self.seen[name]}":
            self.send(Stale(name))
        elif self.fails(8):
            self.send(PlanFailed(name, revision, world))
        else:
            wanted = self.seen[name]
            digest = f"{name}: {self.serving.get(name)} to {wanted}"
            self.plans[name] = (wanted, digest, dict(self.serving))
            self.planned_digests.add((name, digest))
            self.send(Planned(name, revision, world, digest, empty=self.serving.get(name) == wanted))

    def execute(self, name: str, digest: str) -> None:
        wanted, planned, basis = self.plans[name]
        assert planned == digest
        if (self.seen[name], self.serving) != (wanted, basis):
            self.send(Stale(name))
            return
        if not self.fails(3):
            self.serving[name] = wanted
        self.send(Executed(name, digest))

    def come_to_rest(self) -> None:
        """No more faults and pushes; polls come for everybody, and time passes where nothing else does."""
        self.faulty = False
        self.hints = list(self.names)
        for _ in range(2000):
            if not (self.flights or self.hints):
                if not self.wakes:
                    return
                self.machine.now = max(self.machine.now, min(self.wakes))
            self.arrive()
        raise AssertionError("the controller does not come to rest")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_no_push_is_lost_in_any_interleaving(seed):
    """However events interleave, what was pushed last is what serves in the end; never two plans or
    syncs at once, no sync without its plan, none where auto is off (asserted on the way)."""
    random = Random(seed)
    names = ("a", "b", "c")[: random.randint(1, 3)]
    ports = Ports(random, names, {name: random.random() < 0.8 for name in names})
    for _ in range(random.randint(5, 120)):
        if random.random() < 0.3:
            ports.disturb()
        else:
            ports.arrive()
    ports.come_to_rest()
    for name in names:
        if ports.auto[name]:
            assert ports.serving.get(name) == ports.head[name]
        assert ports.plans[name][0] == ports.head[name]
    assert ports.machine.state.busy is None
