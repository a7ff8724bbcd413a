"""The controller's decisions: a synchronous state machine, ``(state, event) → (state, actions)``.

Pure: asyncio only carries it (:mod:`reconciler.control.loop`), so that a test can drive every interleaving.
Level-triggered: what is to be done follows from comparing what was seen with what was planned, never
from a flag that is cleared. So a push that arrives during a sync is not lost, and a hint costs a look
at most. One application is planned and synced at a time: placement covers the whole runtime. What
people ask for comes first, and is answered once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.control.attempts import Attempts, Rules
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
    OwnEvent,
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

REBALANCE = "(rebalance)"
"""Who is busy while served models are moved for room; no application can have this name."""


@dataclass(frozen=True)
class ApplicationState:
    """What is known of one application. ``auto`` and ``manual`` say whether the gate lets syncs start by
    themselves and by hand. ``asked`` counts hints, ``looking`` is the number of the look under way;
    ``planned`` is (revision, world) of the last plan. ``settled`` is the revision at which nothing was
    left to do nor waiting: what is to be done there again is drift. At ``wake_at`` the last plan may be
    worth another one. ``requests`` are people's, oldest first."""

    rules: Rules = field(default_factory=Rules)
    auto: bool = True
    manual: bool = True
    asked: int = 1
    looked: int = 0
    looking: int | None = None
    revision: str | None = None
    planned: tuple[str, int] | None = None
    settled: str | None = None
    wake_at: float | None = None
    attempts: Attempts = field(default_factory=Attempts)
    requests: tuple[int, ...] = ()


@dataclass(frozen=True)
class State:
    """Everything the decisions depend on. ``world`` counts changes of the live state; ``busy`` names
    the application that is being planned or synced, or :data:`REBALANCE`; ``turn`` is who had the last
    turn; ``rebalance`` is a person's request for one, until it has ended."""

    applications: Mapping[str, ApplicationState] = field(default_factory=dict)
    world: int = 0
    busy: str | None = None
    turn: str = ""
    rebalance: int | None = None


Step = tuple[State, tuple[Action, ...]]


def step(state: State, event: Event, now: float) -> Step:
    """The next state and what to do. ``now`` is in seconds of any clock that does not go back."""
    state, actions = _take(state, event, now)
    looks_state, looks = _looks(state)
    planned_state, plans = _next_plan(looks_state, now)
    return planned_state, (*actions, *looks, *plans)


def _take(state: State, event: Event, now: float) -> Step:
    match event:
        case WorldHint():
            return replace(state, world=state.world + 1), ()
        case Tick():
            return state, ()
        case Configured(name, rules):
            known = state.applications.get(name, ApplicationState())
            return _with(state, name, replace(known, rules=rules)), ()
        case Stale(name):
            return replace(_free(state, name), world=state.world + 1), ()
        case RebalanceAsked(request):
            return replace(state, rebalance=request if state.rebalance is None else state.rebalance), ()
        case Rebalanced():
            return replace(_free(state, REBALANCE), world=state.world + 1, rebalance=None), ()
    app = state.applications.get(event.application)
    return _late(state, event) if app is None else _take_own(state, event, app, now)


def _take_own(state: State, event: OwnEvent, app: ApplicationState, now: float) -> Step:
    match event:
        case Removed(name):
            return _without(state, name), tuple(Deny(name, request) for request in app.requests)
        case Gated(name, auto, manual):
            opened = (auto and not app.auto) or (manual and not app.manual)
            planned = None if opened else app.planned
            return _with(state, name, replace(app, auto=auto, manual=manual, planned=planned)), ()
        case SourceHint(name):
            return _with(state, name, replace(app, asked=app.asked + 1)), ()
        case SyncAsked(name, request):
            return _with(state, name, replace(app, requests=(*app.requests, request))), ()
        case Looked(name, number, revision):
            return _with(state, name, _after_look(app, number, revision)), ()
        case Planned():
            return _after_plan(_free(state, event.application), event, app, now)
        case PlanFailed():
            return _after_failure(_free(state, event.application), event, app, now)
        case Executed():
            return _after_sync(_free(state, event.application), event, app, now), ()


def _late(state: State, event: OwnEvent) -> Step:
    """An event of an application that is followed no more: what it was busy with has ended."""
    match event:
        case Planned(name) | PlanFailed(name):
            return _free(state, name), ()
        case Executed(name):
            return replace(_free(state, name), world=state.world + 1), ()
        case SyncAsked(name, request):
            return state, (Deny(name, request),)
        case _:
            return state, ()


def belated(event: Event) -> Event | None:
    """What is left of an event in which a work ended, or a person asked, for an application that was left
    meanwhile, also where one of the same name is followed now: the turn is given back by who had it."""
    match event:
        case Planned(name) | PlanFailed(name) | Executed(name) | Stale(name):
            return Stale(name)
        case _:
            return None


def _after_look(app: ApplicationState, number: int, revision: str | None) -> ApplicationState:
    """A source that cannot be read keeps the revision that was read last. A new one is tried at once,
    unless its plan is the one that is being waited with."""
    app = replace(app, looked=number, looking=None)
    if revision is None or revision == app.revision:
        return app
    return replace(app, revision=revision, attempts=app.attempts.renewed())


def _after_plan(state: State, event: Planned, app: ApplicationState, now: float) -> Step:
    if event.request is not None:
        return _after_asked_plan(state, event, app)
    name, drifted = event.application, app.settled == event.revision
    app = replace(app, planned=(event.revision, event.world), wake_at=None)
    if event.empty:
        settled = app.settled if event.waiting else event.revision
        app = replace(app, settled=settled, attempts=app.attempts.settled())
    if not (app.auto and event.approved):  # nothing is left to try
        app = replace(app, attempts=app.attempts.settled())
    if event.empty or not (app.auto and event.approved) or event.revision != app.revision:
        return _with(state, name, app), ()
    start_at = _start_at(app, event.digest, drifted, now)
    if start_at is None:
        return _with(state, name, app), ()
    if start_at > now:
        return _with(state, name, replace(app, wake_at=start_at)), (Wake(start_at),)
    if drifted:
        app = replace(app, attempts=app.attempts.after_heal(now, app.rules))
    return replace(_with(state, name, app), busy=name), (Execute(name, event.digest),)


def _start_at(app: ApplicationState, digest: str, drifted: bool, now: float) -> float | None:
    """When a plan may be executed by itself; None where only something new lets it."""
    if drifted and not app.rules.self_heal:
        return None
    starts = [app.attempts.start_at(digest, now, app.rules)]
    if drifted:
        starts.append(app.attempts.heal_at(now, app.rules))
    return None if None in starts else max(start for start in starts if start is not None)


def _after_asked_plan(state: State, event: Planned, app: ApplicationState) -> Step:
    """People's plans are executed at once, whatever was tried before, or answered."""
    name, request = event.application, event.request
    assert request is not None
    if event.empty or not (app.manual or event.passes):
        app = replace(app, requests=_rest(app, request))
        return _with(state, name, app), () if app.manual else (Deny(name, request),)
    return replace(_with(state, name, app), busy=name), (Execute(name, event.digest, request),)


def _after_failure(state: State, event: PlanFailed, app: ApplicationState, now: float) -> Step:
    if event.request is not None:
        return _with(state, event.application, replace(app, requests=_rest(app, event.request))), ()
    attempts = replace(app.attempts.after_sync("", now, app.rules), ended=app.attempts.ended)
    planned, wake_at = (event.revision, event.world), attempts.retry_at
    app = replace(app, attempts=attempts, planned=planned, wake_at=wake_at)
    wake = () if attempts.retry_at is None else (Wake(attempts.retry_at),)
    return _with(state, event.application, app), wake


def _after_sync(state: State, event: Executed, app: ApplicationState, now: float) -> State:
    """Whatever was done changed the world; the next plan tells whether it was enough: an empty one ends
    the count of attempts."""
    attempts = app.attempts.after_sync(event.digest, now, app.rules, terminated=event.terminated)
    if event.terminated and _is_new(app):  # what was pushed meanwhile is not what was ended
        attempts = attempts.renewed()
    app = replace(app, attempts=attempts, requests=_rest(app, event.request))
    return replace(_with(state, event.application, app), world=state.world + 1)


def _looks(state: State) -> Step:
    """A look for every application that was hinted at since its last one began."""
    actions: list[Action] = []
    for name in sorted(state.applications):
        app = state.applications[name]
        if app.looking is None and app.looked < app.asked:
            actions.append(Look(name, app.asked))
            state = _with(state, name, replace(app, looking=app.asked))
    return state, tuple(actions)


def _next_plan(state: State, now: float) -> Step:
    """What is planned next: what a person waits for (a rebalance after syncs), what was pushed, then what
    the world did; within each, applications take turns."""
    if state.busy is not None:
        return state, ()
    for name in _in_turn(state):
        app = state.applications[name]
        if app.requests:  # also of what could not be read yet: deleting what it owns takes no source
            plan = MakePlan(name, app.revision or "", state.world, app.requests[0])
            return replace(state, busy=name), (plan,)
    if state.rebalance is not None:
        return replace(state, busy=REBALANCE), (Rebalance(state.rebalance),)
    due = [name for name in _in_turn(state) if _is_due(state.applications[name], state.world, now)]
    pushed = [name for name in due if _is_new(state.applications[name])]
    for name in (*pushed, *due):
        revision = state.applications[name].revision
        assert revision is not None
        return replace(state, busy=name, turn=name), (MakePlan(name, revision, state.world),)
    return state, ()


def _in_turn(state: State) -> Iterator[str]:
    names = sorted(state.applications)
    yield from (name for name in names if name > state.turn)
    yield from (name for name in names if name <= state.turn)


def _is_due(app: ApplicationState, world: int, now: float) -> bool:
    if app.revision is None:
        return False
    if app.planned != (app.revision, world):
        return True
    return app.wake_at is not None and now >= app.wake_at


def _is_new(app: ApplicationState) -> bool:
    return app.planned is None or app.planned[0] != app.revision


def _rest(app: ApplicationState, answered: int | None) -> tuple[int, ...]:
    return tuple(request for request in app.requests if request != answered)


def _free(state: State, name: str) -> State:
    return replace(state, busy=None) if state.busy == name else state


def _with(state: State, name: str, app: ApplicationState) -> State:
    return replace(state, applications={**state.applications, name: app})


def _without(state: State, name: str) -> State:
    return replace(state, applications={n: a for n, a in state.applications.items() if n != name})
