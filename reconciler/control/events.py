"""What the controller is told and what it asks for: the events and actions of its state machine.

Plain values. What they lead to is decided in :mod:`reconciler.control.controller`; :mod:`reconciler.control.loop` turns
the world into events and actions into work. Every action but :class:`Wake` and :class:`Deny` is answered
by one event.
"""

from dataclasses import dataclass, field

from reconciler.control.attempts import Rules

# Events


@dataclass(frozen=True)
class Configured:
    """``application`` is followed from now on, or by other rules than before."""

    application: str
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True)
class Removed:
    """``application`` is followed no more; what it applied stays."""

    application: str


@dataclass(frozen=True)
class Gated:
    """What stands before syncs of ``application`` has changed: whether they may start by themselves, and
    by hand."""

    application: str
    auto: bool
    manual: bool


@dataclass(frozen=True)
class SourceHint:
    """The source of ``application`` may have moved."""

    application: str


@dataclass(frozen=True)
class WorldHint:
    """The live state may have changed by itself."""


@dataclass(frozen=True)
class SyncAsked:
    """A person asks for a sync; ``request`` numbers what exactly is asked for, which the carrier keeps."""

    application: str
    request: int


@dataclass(frozen=True)
class Looked:
    """Look ``number`` at the source ended: ``revision`` is what it holds, None where it cannot be read."""

    application: str
    number: int
    revision: str | None


@dataclass(frozen=True)
class Planned:
    """A plan was made from ``revision`` and the live state as of ``world``. ``waiting`` is True where
    something of that revision is left that no plan can bring about now. A person's request that ``passes``
    is executed although the gate is closed. One that is not ``approved`` waits until it is, which moves the
    world."""

    application: str
    revision: str
    world: int
    digest: str
    empty: bool
    waiting: bool = False
    request: int | None = None
    passes: bool = False
    approved: bool = True


@dataclass(frozen=True)
class PlanFailed:
    """Making a plan ended in an error; it is tried again later, or when something moves."""

    application: str
    revision: str
    world: int
    request: int | None = None


@dataclass(frozen=True)
class Executed:
    """A sync ended, well or not; ``terminated`` where a person ended it."""

    application: str
    digest: str
    request: int | None = None
    terminated: bool = False


@dataclass(frozen=True)
class Stale:
    """The world moved between planning and execution: the plan was dropped untouched."""

    application: str


@dataclass(frozen=True)
class RebalanceAsked:
    """A person asks for a rebalance; ``request`` numbers what exactly is asked for, which the carrier
    keeps. One at a time: a second one is not heard."""

    request: int


@dataclass(frozen=True)
class Rebalanced:
    """A rebalance ended: done, failed, or dropped because its plan had changed."""

    request: int


@dataclass(frozen=True)
class Tick:
    """Time passed; nothing else happened."""


OwnEvent = Removed | Gated | SourceHint | SyncAsked | Looked | Planned | PlanFailed | Executed
"""What concerns an application that is followed."""

Event = Configured | WorldHint | Stale | RebalanceAsked | Rebalanced | Tick | OwnEvent


# Actions


@dataclass(frozen=True)
class Look:
    """Read the source of ``application``; answer with :class:`Looked` of that number."""

    application: str
    number: int


@dataclass(frozen=True)
class MakePlan:
    """Plan ``application`` at ``revision``, as ``request`` asks for it if there is one; answer with
    :class:`Planned`, :class:`PlanFailed` or :class:`Stale`."""

    application: str
    revision: str
    world: int
    request: int | None = None


@dataclass(frozen=True)
class Execute:
    """Execute the plan just made; answer with :class:`Executed` or :class:`Stale`."""

    application: str
    digest: str
    request: int | None = None


@dataclass(frozen=True)
class Rebalance:
    """Plan the rebalance that ``request`` names and, if it is still that one, execute it; answer with
    :class:`Rebalanced`."""

    request: int


@dataclass(frozen=True)
class Deny:
    """Tell whoever made ``request`` that nothing is executed: the gate is closed to people, or the
    application is gone."""

    application: str
    request: int


@dataclass(frozen=True)
class Wake:
    """Send a :class:`Tick` at that time (seconds, same clock as ``now``)."""

    at: float


Action = Look | MakePlan | Execute | Rebalance | Deny | Wake
