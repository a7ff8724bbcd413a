"""The controller's decisions: a synchronous state machine, ``(state, event) → (state, actions)``.

Pure: asyncio only carries it (:mod:`reconciler.loop`), so that a test can drive every interleaving.
Level-triggered: what is to be done follows from comparing what was seen with what was planned, never
from a flag that is cleared. So a push that arrives during a sync is not lost, and a hint costs a look
at most. One application is planned and synced at a time: placement covers the whole runtime.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

FIRST_RETRY = 5
"""Seconds before a plan that failed is tried again; doubles with each attempt."""
LAST_RETRY = 180
"""Seconds at most between two attempts."""
PATIENCE = 5
"""Syncs in a row that left something to do, after which every further plan of that revision waits, also
one that differs from the last."""


# Events


@dataclass(frozen=True)
class SourceHint:
    """The source of ``application`` may have moved."""

    application: str


@dataclass(frozen=True)
class WorldHint:
    """The live state may have changed by itself."""


@dataclass(frozen=True)
class Looked:
    """Look ``number`` at the source ended: ``revision`` is what it holds, None where it cannot be read."""

    application: str
    number: int
    revision: str | None


@dataclass(frozen=True)
class Planned:
    """A plan was made from ``revision`` and the live state as of ``world``."""

    application: str
    revision: str
    world: int
    digest: str
    empty: bool


@dataclass(frozen=True)
class PlanFailed:
    """Making a plan ended in an error; it is tried again later, or when something moves."""

    application: str
    revision: str
    world: int


@dataclass(frozen=True)
class Executed:
    """A sync ended, well or not."""

    application: str
    digest: str


@dataclass(frozen=True)
class Stale:
    """The world moved between planning and execution: the plan was dropped untouched."""

    application: str


@dataclass(frozen=True)
class Tick:
    """Time passed; nothing else happened."""


Event = SourceHint | WorldHint | Looked | Planned | PlanFailed | Executed | Stale | Tick


# Actions


@dataclass(frozen=True)
class Look:
    """Read the source of ``application``; answer with :class:`Looked` of that number."""

    application: str
    number: int


@dataclass(frozen=True)
class MakePlan:
    """Plan ``application`` at ``revision``; answer with :class:`Planned` or :class:`Stale`."""

    application: str
    revision: str
    world: int


@dataclass(frozen=True)
class Execute:
    """Execute the plan just made; answer with :class:`Executed` or :class:`Stale`."""

    application: str
    digest: str


@dataclass(frozen=True)
class Wake:
    """Send a :class:`Tick` at that time (seconds, same clock as ``now``)."""

    at: float


Action = Look | MakePlan | Execute | Wake


# State


@dataclass(frozen=True)
class ApplicationState:
    """What is known of one application. ``asked`` counts hints, ``looking`` is the number of the look
    under way; ``planned`` is (revision, world) of the last plan. ``tried`` is the digest of the last sync
    (or empty, after a plan that could not be made) for as long as something is left to do: the same plan
    again is of no use before ``retry_at``, whether or not its steps said that they were done."""

    auto: bool = True
    asked: int = 1
    looked: int = 0
    looking: int | None = None
    revision: str | None = None
    planned: tuple[str, int] | None = None
    tried: str | None = None
    attempts: int = 0
    retry_at: float | None = None


@dataclass(frozen=True)
class State:
    """Everything the decisions depend on. ``world`` counts changes of the live state; ``busy`` names
    the application that is being planned or synced; ``turn`` is who had the last turn."""

    applications: Mapping[str, ApplicationState] = field(default_factory=dict)
    world: int = 0
    busy: str | None = None
    turn: str = ""


def step(state: State, event: Event, now: float) -> tuple[State, tuple[Action, ...]]:
    """The next state and what to do. ``now`` is in seconds of any clock that does not go back."""
    state, actions = _take(state, event, now)
    looks_state, looks = _looks(state)
    planned_state, plans = _next_plan(looks_state, now)
    return planned_state, (*actions, *looks, *plans)


def _take(state: State, event: Event, now: float) -> tuple[State, tuple[Action, ...]]:
    match event:
        case SourceHint(name):
            app = state.applications[name]
            return _with(state, name, replace(app, asked=app.asked + 1)), ()
        case WorldHint():
            return replace(state, world=state.world + 1), ()
        case Looked(name, number, revision):
            return _with(state, name, _after_look(state.applications[name], number, revision)), ()
        case Planned():
            return _after_plan(state, event, now)
        case PlanFailed(name, revision, world):
            app = replace(_tried(state.applications[name], "", now), planned=(revision, world))
            wake = () if app.retry_at is None else (Wake(app.retry_at),)
            return replace(_with(state, name, app), busy=None), wake
        case Executed():
            return _after_sync(state, event, now), ()
        case Stale():
            return replace(state, busy=None, world=state.world + 1), ()
        case Tick():
            return state, ()


def _after_look(app: ApplicationState, number: int, revision: str | None) -> ApplicationState:
    """A source that cannot be read keeps the revision that was read last. A new one is tried at once,
    unless its plan is the one that is being waited with."""
    app = replace(app, looked=number, looking=None)
    if revision is None or revision == app.revision:
        return app
    return replace(app, revision=revision, attempts=0)


def _after_plan(state: State, event: Planned, now: float) -> tuple[State, tuple[Action, ...]]:
    app = replace(state.applications[event.application], planned=(event.revision, event.world))
    if event.empty or not app.auto:  # nothing is left to try
        app = replace(app, tried=None, attempts=0, retry_at=None)
    known = app.tried == event.digest or app.attempts >= PATIENCE
    waits = known and app.retry_at is not None and now < app.retry_at
    overtaken = event.revision != app.revision
    if event.empty or overtaken or not app.auto or waits:
        wake = (Wake(app.retry_at),) if waits and app.retry_at is not None else ()
        return replace(_with(state, event.application, app), busy=None), wake
    return _with(state, event.application, app), (Execute(event.application, event.digest),)


def _after_sync(state: State, event: Executed, now: float) -> State:
    """Whatever was done changed the world; the next plan tells whether it was enough: an empty one ends
    the count of attempts."""
    app = _tried(state.applications[event.application], event.digest, now)
    return replace(_with(state, event.application, app), busy=None, world=state.world + 1)


def _tried(app: ApplicationState, digest: str, now: float) -> ApplicationState:
    wait = min(FIRST_RETRY * 2 ** min(app.attempts, 10), LAST_RETRY)
    return replace(app, tried=digest, attempts=app.attempts + 1, retry_at=now + wait)


def _looks(state: State) -> tuple[State, tuple[Action, ...]]:
    """A look for every application that was hinted at since its last one began."""
    actions: list[Action] = []
    for name in sorted(state.applications):
        app = state.applications[name]
        if app.looking is None and app.looked < app.asked:
            actions.append(Look(name, app.asked))
            state = _with(state, name, replace(app, looking=app.asked))
    return state, tuple(actions)


def _next_plan(state: State, now: float) -> tuple[State, tuple[Action, ...]]:
    """The next application in turn whose last plan is not of what is known now."""
    if state.busy is not None:
        return state, ()
    names = sorted(state.applications)
    for name in [n for n in names if n > state.turn] + [n for n in names if n <= state.turn]:
        app = state.applications[name]
        if app.revision is None or not _is_due(app, state.world, now):
            continue
        state = replace(state, busy=name, turn=name)
        return state, (MakePlan(name, app.revision, state.world),)
    return state, ()


def _is_due(app: ApplicationState, world: int, now: float) -> bool:
    if app.planned != (app.revision, world):
        return True
    return app.tried is not None and app.retry_at is not None and now >= app.retry_at


def _with(state: State, name: str, app: ApplicationState) -> State:
    return replace(state, applications={**state.applications, name: app})
