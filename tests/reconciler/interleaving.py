"""The production state machine behind simulated ports: one seed, one interleaving.

Everything that takes time in production (a look, a plan, a sync and each of its steps, the queue of events)
is in flight here until chance lets it go on, and chance pushes, drifts, crashes, asks, reconfigures and
restarts meanwhile. What must never happen is asserted where it would happen; what must have happened in
the end, once everything came to rest. No clock and no thread: a seed always tells the same story.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from random import Random

from reconciler.control.attempts import Rules
from reconciler.control.controller import ApplicationState, State, belated, step
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
from reconciler.control.sync_policy import Backoff

SERVERS = 2
"""Every application has one model on each."""
RULES = (Rules(), Rules(), Rules(self_heal=False), Rules(retry=Backoff(5, 2, 180, limit=2)))
KINDS = ("sync", "sync", "dry run", "another plan")
LONGEST_REST = 5000
"""Arrivals after which a controller that is still busy will never be done."""

Work = Generator[None, None, Event]


@dataclass(frozen=True)
class Plan:
    """What a plan is here: models that change, by server, and what it was made from."""

    number: int
    changes: tuple[tuple[int, int | None, int], ...]
    waiting: bool
    basis: object

    @property
    def digest(self) -> str:
        return repr(self.changes)


@dataclass(eq=False)
class Asked:
    """A person's request and its answer."""

    kind: str
    plan: Plan | None = None
    answer: str = ""


@dataclass(eq=False)
class Followed:
    """An application as the carrier knows it; one that is left and followed again is another one."""

    name: str
    rules: Rules
    auto: bool = True
    manual: bool = True
    seen: int | None = None
    plan: Plan | None = None
    asked: dict[int, Asked] = field(default_factory=dict)
    syncing: bool = False
    terminated: bool = False


@dataclass(eq=False)
class Flight:
    """A work under way."""

    action: Action
    app: Followed | None
    work: Work


class Ports:
    """Sources, planner, runtime and people, as the carrier shows them to the machine.

    ``head`` is what each branch holds, ``serving`` which revision each (application, server) serves.
    ``history`` has the phase of every sync, ``journal`` who changed what, ``told`` what happened how often.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = 0.0
        self.faulty = True
        self.head = dict.fromkeys(("a", "b", "c")[: random.randint(1, 3)], 0)
        self.newest = 0
        self.serving: dict[tuple[str, int], int] = {}
        self.down: set[int] = set()
        self.history: list[str] = []
        self.journal: set[tuple[int, int]] = set()
        self.executed: set[int] = set()
        self.told: Counter[str] = Counter()
        self.requests: list[Asked] = []
        self.ended: dict[str, tuple[str, int] | None] = {}
        self.rebalances = self.rebalanced = self.plans = 0
        self.configured = {name: random.choice(RULES) for name in self.head}
        self._start()

    # The carrier, as `reconciler.control.loop` is

    def _start(self) -> None:
        """A process that knows nothing but history and world."""
        self.state, self.apps = State(), dict[str, Followed]()
        self.queue: deque[tuple[Followed | None, Event]] = deque()
        self.flights: list[Flight] = []
        self.hints: list[Followed] = []
        self.wakes: list[float] = []
        self.history = ["Interrupted" if phase == "Running" else phase for phase in self.history]
        for name in self.configured:
            self._follow(name)

    def _follow(self, name: str) -> None:
        self.apps[name] = Followed(name, self.configured[name])
        self.handle(Configured(name, self.configured[name]))
        self.hints.append(self.apps[name])  # whoever begins to watch looks once

    def _leave(self, name: str) -> None:
        app = self.apps.pop(name)
        self.hints = [hinted for hinted in self.hints if hinted is not app]
        self.handle(Removed(name))
        for asked in app.asked.values():
            asked.answer = asked.answer or "Removed"

    def handle(self, event: Event) -> None:
        self.told[type(event).__name__] += 1
        self.state, actions = step(self.state, event, self.now)
        for action in actions:
            self._begin(action)

    def _begin(self, action: Action) -> None:
        match action:
            case Wake(at):
                self.wakes.append(at)
            case Deny(name, request):
                self._deny(name, request)
            case Look(name):
                self.flights.append(Flight(action, self.apps[name], self._look(self.apps[name], action)))
            case MakePlan(name):
                self._alone(action, self.apps[name], self._make_plan(self.apps[name], action))
            case Execute(name):
                app = self.apps[name]
                assert action.request is not None or self.state.applications[name].auto, (
                    "behind a closed gate"
                )
                self._alone(action, app, self._execute(app, action))
            case Rebalance():
                self._alone(action, None, self._rebalance(action))

    def _alone(self, action: Action, app: Followed | None, work: Work) -> None:
        assert all(isinstance(flight.action, Look) for flight in self.flights), "two at once"
        self.flights.append(Flight(action, app, work))

    def _deny(self, name: str, request: int) -> None:
        app = self.apps.get(name)
        asked = app.asked.pop(request, None) if app else None
        if asked is not None:
            _answer(asked, "Denied")

    def _go_on(self, flight: Flight) -> None:
        try:
            next(flight.work)
        except StopIteration as end:
            self.flights.remove(flight)
            self.queue.append((flight.app, end.value))

    def _take(self) -> None:
        """Decide on the oldest event."""
        app, event = self.queue.popleft()
        if app is not None and self.apps.get(app.name) is not app:
            rest = belated(event)
            if rest is not None:
                self.handle(rest)
        else:
            if isinstance(event, Executed) and event.terminated:
                self.ended[event.application] = self.state.applications[event.application].planned
            self.handle(event)

    # Works, as `reconciler.control.work` does them; each `yield` is a moment in which anything may happen

    def _look(self, app: Followed, action: Look) -> Work:
        yield
        seen = None if self._fails(4) else self.head[app.name]
        yield
        if seen is None:
            return Looked(app.name, action.number, None)
        app.seen = seen
        return Looked(app.name, action.number, f"r{seen}")

    def _make_plan(self, app: Followed, action: MakePlan) -> Work:
        asked = app.asked.get(action.request) if action.request is not None else None
        failed = PlanFailed(app.name, action.revision, action.world, action.request)
        assert (action.request is None) == (asked is None), "a request that nobody waits for"
        if asked is not None:  # reads the source itself
            wanted = None if self._fails(8) else self.head[app.name]
        else:
            wanted = app.seen
            if f"r{wanted}" != action.revision:
                return Stale(app.name)
        made = None if wanted is None else self._plan(app, wanted)
        yield
        if made is None or self._fails(8):
            if asked is not None and action.request is not None:
                del app.asked[action.request]
                _answer(asked, "Failed")
            return failed
        settled = False
        if asked is None:
            app.plan = made
        else:
            asked.plan = made
            early = _early_answer(asked, made)
            if early and action.request is not None:
                del app.asked[action.request]
                _answer(asked, early)
                settled = True
        empty = not made.changes or settled
        return Planned(
            app.name, action.revision, action.world, made.digest, empty, made.waiting, action.request
        )

    def _plan(self, app: Followed, wanted: int) -> Plan:
        found = [(server, self.serving.get((app.name, server))) for server in range(SERVERS)]
        differing = [(server, before, wanted) for server, before in found if before != wanted]
        changes = tuple(change for change in differing if change[0] not in self.down)
        self.plans += 1
        return Plan(self.plans, changes, len(changes) < len(differing), self._basis(wanted))

    def _basis(self, wanted: int) -> object:
        return (wanted, tuple(sorted(self.serving.items())), tuple(sorted(self.down)))

    def _execute(self, app: Followed, action: Execute) -> Work:
        asked = app.asked.get(action.request) if action.request is not None else None
        todo = asked.plan if asked is not None else app.plan
        assert todo is not None
        assert todo.digest == action.digest, "another plan than was decided on"
        wanted = todo.changes[0][2]
        if not (asked or app.seen == wanted) or todo.basis != self._basis(wanted):
            return Stale(app.name)
        assert todo.number not in self.executed, "one plan executed twice"
        self.executed.add(todo.number)
        assert "Running" not in self.history
        sync, failed = len(self.history), False
        self.history.append("Running")
        app.syncing, app.terminated = True, False
        for server, _, revision in todo.changes:
            yield
            if app.terminated:
                break
            if self._fails(6) or server in self.down:
                failed = True
                continue
            assert (todo.number, server) not in self.journal, "one change made twice"
            self.journal.add((todo.number, server))
            self.serving[app.name, server] = revision
        yield
        app.syncing = False
        phase = "Terminated" if app.terminated else "Failed" if failed else "Succeeded"
        assert self.history[sync] == "Running"
        self.history[sync] = phase
        if asked is not None and action.request is not None:
            app.asked.pop(action.request, None)
            if self.apps.get(app.name) is app:
                _answer(asked, phase)
        return Executed(app.name, todo.digest, action.request, app.terminated)

    def _rebalance(self, action: Rebalance) -> Work:
        yield
        self.rebalanced += 1
        assert self.rebalanced == action.request, "a rebalance that nobody waits for"
        return Rebalanced(action.request)

    def _fails(self, one_in: int) -> bool:
        return self.faulty and self.random.randrange(one_in) == 0

    # What happens outside

    def disturb(self) -> None:
        """Something happens that the controller did not ask for."""
        happening = self.random.choice(_HAPPENINGS)
        self.told[happening.__name__] += 1
        happening(self)

    def some_app(self) -> Followed | None:
        return self.random.choice(list(self.apps.values())) if self.apps else None

    def push(self) -> None:
        """A push whose hint is lost, comes once, or three times."""
        name = self.random.choice(list(self.head))
        self.newest += 1
        self.head[name] = self.newest
        self._hint(name, self.random.choice((0, 1, 1, 3)))

    def force_push(self) -> None:
        """The branch goes back to something earlier."""
        name = self.random.choice(list(self.head))
        self.head[name] = self.random.randint(0, self.newest)
        self._hint(name, self.random.choice((0, 1)))

    def hint_without_push(self) -> None:
        self._hint(self.random.choice(list(self.head)), 1)

    def _hint(self, name: str, times: int) -> None:
        self.hints += [self.apps[name]] * times if name in self.apps else []

    def drift(self) -> None:
        """Somebody unloads a model."""
        self.serving.pop((self.random.choice(list(self.head)), self.random.randrange(SERVERS)), None)
        self.queue.append((None, WorldHint()))

    def crash_server(self) -> None:
        """A server goes and takes with it what it served; or one comes back."""
        server = self.random.randrange(SERVERS)
        if server in self.down:
            self.down.discard(server)
        else:
            self.down.add(server)
            self.serving = {at: revision for at, revision in self.serving.items() if at[1] != server}
        self.queue.append((None, WorldHint()))

    def ask_for_rebalance(self) -> None:
        """As the carrier does: not while one is asked for."""
        if self.rebalanced == self.rebalances:
            self.rebalances += 1
            self.queue.append((None, RebalanceAsked(self.rebalances)))

    def pass_time(self) -> None:
        self.now += self.random.choice((0.1, 3, 60, 400))

    def turn_gate(self) -> None:
        """A window opens or closes, somebody suspends or resumes."""
        if app := self.some_app():
            self.gate(app, *self.random.choice(((True, True), (False, True), (False, False))))

    def gate(self, app: Followed, auto: bool, manual: bool) -> None:
        if (auto, manual) != (app.auto, app.manual):
            app.auto, app.manual = auto, manual
            self.handle(Gated(app.name, auto, manual))

    def ask_for_sync(self) -> None:
        if app := self.some_app():
            self.ask(app, self.random.choice(KINDS))

    def ask(self, app: Followed, kind: str) -> None:
        self.requests.append(Asked(kind))
        app.asked[len(self.requests)] = self.requests[-1]
        self.queue.append((app, SyncAsked(app.name, len(self.requests))))

    def terminate(self) -> None:
        for app in self.apps.values():
            app.terminated = app.terminated or app.syncing

    def reconfigure(self) -> None:
        """An application is left, follows something else, comes back, or gets other rules."""
        name = self.random.choice(list(self.head))
        if name not in self.apps:
            self.configured[name] = self.random.choice(RULES)
            self._follow(name)
        elif self.random.random() < 0.5:
            self.configured[name] = self.apps[name].rules = self.random.choice(RULES)
            self.handle(Configured(name, self.configured[name]))
        else:
            self._leave(name)
            if self.random.random() < 0.5:
                self._follow(name)
            else:
                del self.configured[name]
        self.handle(WorldHint())

    def restart(self) -> None:
        """The process is killed; who waited for an answer sees the connection break."""
        for asked in self.requests:
            asked.answer = asked.answer or "Lost"
        self.rebalances = self.rebalanced
        self._start()

    # Going on

    def arrive(self) -> None:
        """Something in flight goes on, in any order; events are decided on in theirs."""
        due = [at for at in self.wakes if at <= self.now]
        choices: list[Flight | Followed | float | str] = [*self.flights, *self.hints, *due]
        choices += ["event"] if self.queue else []
        chosen = self.random.choice(choices) if choices else None
        match chosen:
            case Flight():
                self._go_on(chosen)
            case Followed():
                self.hints.remove(chosen)
                self.queue.append((chosen, SourceHint(chosen.name)))
            case str():
                self._take()
            case float() | int():
                self.wakes.remove(chosen)
                self.queue.append((None, Tick()))

    def come_to_rest(self) -> None:
        """No more faults and pushes; polls come for everybody, and time passes where nothing else does."""
        self.faulty = False
        self.down.clear()
        self.queue.append((None, WorldHint()))
        self.hints += self.apps.values()
        for _ in range(LONGEST_REST):
            if not (self.flights or self.hints or self.queue):
                if not self.wakes:
                    return
                self.now = max(self.now, min(self.wakes))
            self.arrive()
        raise AssertionError("the controller does not come to rest")

    def serves(self, name: str) -> bool:
        """True where every server serves what was pushed last."""
        return all(self.serving.get((name, server)) == self.head[name] for server in range(SERVERS))


_HAPPENINGS: tuple[Callable[[Ports], None], ...] = (
    *(Ports.push,) * 4,
    *(Ports.force_push, Ports.hint_without_push),
    *(Ports.drift, Ports.crash_server),
    *(Ports.pass_time,) * 3,
    *(Ports.turn_gate,) * 2,
    *(Ports.ask_for_sync,) * 3,
    *(Ports.ask_for_rebalance, Ports.terminate, Ports.reconfigure, Ports.restart),
)


def _answer(asked: Asked, phase: str) -> None:
    """Whoever asked an application that was left has been told so, and hears nothing more."""
    if asked.answer != "Removed":
        assert asked.answer == "", "one request answered twice"
        asked.answer = phase


def _early_answer(asked: Asked, made: Plan) -> str:
    if asked.kind == "another plan":
        return "Denied"
    if not made.changes:
        return "NothingToDo"
    return "Succeeded" if asked.kind == "dry run" else ""


def interleave(seed: object) -> Ports:
    """One interleaving to its end; raises AssertionError where a promise was broken."""
    ports = Ports(Random(f"{seed}"))
    for _ in range(ports.random.randint(5, 150)):
        if ports.random.random() < 0.25:
            ports.disturb()
        else:
            ports.arrive()
    ports.come_to_rest()
    _check_rest(ports)
    for app in ports.apps.values():
        ports.gate(app, True, True)
        ports.ask(app, "sync")
    ports.come_to_rest()
    _check_rest(ports)
    for name in ports.apps:
        assert ports.serves(name), f"{name} does not serve what was pushed last, though it was asked for"
    return ports


def _check_rest(ports: Ports) -> None:
    """What holds whenever nothing is under way."""
    for name, app in ports.apps.items():
        known = ports.state.applications[name]
        assert known.revision == f"r{ports.head[name]}", f"a push to {name} was lost"
        assert known.planned == (known.revision, ports.state.world), f"{name} was not planned"
        assert app.asked == {}
        assert ports.serves(name) or _is_left(known, ports.ended.get(name)), (
            f"{name} does not serve what was pushed last"
        )
    assert all(asked.answer for asked in ports.requests), "a request without an answer"
    assert ports.rebalanced == ports.rebalances, "a rebalance that was not done"
    assert ports.state.busy is None
    assert "Running" not in ports.history


def _is_left(app: ApplicationState, ended: tuple[str, int] | None) -> bool:
    """Left as it is on purpose: the gate is closed, the attempts are used up, a person ended a sync when
    this very revision was the one last planned, or it is drift that nobody wants mended."""
    if app.attempts.ended:
        return not app.auto or (ended is not None and ended[0] == app.revision)
    used_up = app.attempts.tried is not None and app.attempts.retry_at is None
    unmended = app.settled == app.revision and not app.rules.self_heal
    return not app.auto or used_up or unmended
