"""A preview: what the merge of a pull request will do to what runs, as values.

It holds the very plans that a sync of the merge would execute, and what people ask of them first: what
changes for models and server replicas, what cannot be placed, who is interrupted. What this merge adds is
kept apart from what waits on the base already. Making one is :mod:`reconciler.preview.comparison`'s business;
Markdown, HTML and the terminal show these values and decide nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from placement.inventory import ReplicaId
from reconciler.planning.plan import Failure, FieldChange, Plan, PlanWarning
from schemas.problem import Problem
from schemas.resource import ResourceKey

SCHEMA_VERSION: Final = 1

Verdict = Literal[
    "NoChange",
    "Safe",
    "ChangesServing",
    "PartiallyPlaced",
    "InterruptsServing",
    "CannotBePlaced",
    "StopsServing",
    "InvalidManifests",
]
MILDEST_FIRST: Final[tuple[Verdict, ...]] = get_args(Verdict)
"""A preview has the worst verdict of everything that its merge adds."""

ChangeEffect = Literal["Planned", "AlreadySo", "Held"]
"""A change of Git that the plan brings about; that is so already; that the plan leaves undone."""

Interruption = Literal["None", "Bounded", "Unknown", "Ends", "Stops", "NotServed"]
"""``None``: something answers throughout. ``Ends``: it is deleted on purpose. ``Stops``: it is wanted and nothing
answers any more. ``NotServed``: nothing answered before either."""


@dataclass(frozen=True)
class ResourceChange:
    """What the merge changes in Git about one resource, by fields; and what becomes of that, with the reason
    where something else than the plan's change does. ``file`` and ``line`` are where it is declared."""

    action: Literal["create", "update", "delete"]
    key: ResourceKey
    fields: tuple[FieldChange, ...]
    effect: ChangeEffect = "Planned"
    reason: str = ""
    message: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Standing:
    """What answers for a model: the version by its digest, its number where it has one already, and the
    server replicas, sorted."""

    version: str
    number: int
    replicas: tuple[ReplicaId, ...]


@dataclass(frozen=True)
class Break:
    """Whether requests go unanswered while the plan is executed. ``seconds`` is a bound from the runtime's
    timeouts where there is one (mostly it takes a fraction of it), ``why`` a sentence."""

    kind: Interruption
    seconds: int = 0
    why: str = ""


Verb = Literal[
    "Added",
    "Placed",
    "MoreReplicas",
    "FewerReplicas",
    "NewVersion",
    "Moved",
    "Rerouted",
    "Unloaded",
    "Removed",
    "Unplaced",
]
"""What becomes of a model or an experiment. ``Placed`` was wanted before and found no place, ``Unplaced`` finds
none for what is wanted now, ``Unloaded`` is wanted with no replica."""


@dataclass(frozen=True)
class ServingChange:
    """What the plan does to one model, or to what an experiment answers as. ``owner`` is the application it
    belongs to, empty where nobody's. ``waiting`` is True where the base does the same already."""

    key: ResourceKey
    owner: str
    verb: Verb
    before: Standing | None
    after: Standing | None
    interruption: Break
    waiting: bool = False


@dataclass(frozen=True)
class ModelAt:
    """One model version on a server replica; ``memory`` is bytes of all its instances there."""

    namespace: str
    model: str
    version: str
    owner: str
    memory: int


@dataclass(frozen=True)
class Room:
    """A server replica's memory in bytes: what it has, what may be promised of it (with overcommit), what is
    used; and its state."""

    state: str
    capacity: int
    limit: int
    used: int

    @property
    def free(self) -> int:
        """What a further model may ask for."""
        return max(0, self.limit - self.used)

    @property
    def overcommitted(self) -> int:
        """What is used beyond what there is."""
        return max(0, self.used - self.capacity)


@dataclass(frozen=True)
class ReplicaChange:
    """One server replica before and after; None where there is none. Models are sorted by namespace, name
    and version. ``waiting`` are bytes that are used once the base is synced, before this merge adds anything."""

    replica: ReplicaId
    owner: str
    before: Room | None
    after: Room | None
    waiting: int
    comes: tuple[ModelAt, ...] = ()
    goes: tuple[ModelAt, ...] = ()
    stays: tuple[ModelAt, ...] = ()

    @property
    def changes(self) -> bool:
        """True where it is not just as it was."""
        return bool(self.comes or self.goes) or self.before != self.after


@dataclass(frozen=True)
class Note:
    """Something about an application that a reviewer should know, by a CamelCase reason."""

    reason: str
    message: str


@dataclass(frozen=True)
class ApplicationPreview:
    """One application of the pull request.

    ``plan`` is the plan that a sync of the merge executes, against what the applications before it leave.
    ``basis`` are the parts of its basis, ``waits`` the digest of the plan that the base waits for, empty where
    there is nothing to do. Failures and problems of the merge stand apart from those that the base has
    already; ``mended`` are failures that it takes away. Order: changes, serving, failures and warnings by key,
    problems by place.
    """

    application: str
    namespace: str
    plan: Plan
    basis: Mapping[str, str]
    waits: str = ""
    changes: tuple[ResourceChange, ...] = ()
    serving: tuple[ServingChange, ...] = ()
    failures: tuple[Failure, ...] = ()
    waiting_failures: tuple[Failure, ...] = ()
    mended: tuple[Failure, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()
    problems: tuple[Problem, ...] = ()
    waiting_problems: int = 0
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Total:
    """All server replicas together: how many, what may be promised and what is used, in bytes."""

    replicas: int
    limit: int
    used: int


@dataclass(frozen=True)
class Preview:
    """What a merge of ``head`` into ``base`` (commit ids) does. ``merged`` is True where the merge result was
    planned, False where ``head`` itself was. ``digest`` is that of all its plans, ``basis`` of all they were
    made from. Applications come in sync order, replicas by identity, ``needs`` (what would make room) by text.
    """

    base: str
    head: str
    merged: bool
    verdict: Verdict
    applications: tuple[ApplicationPreview, ...] = ()
    replicas: tuple[ReplicaChange, ...] = ()
    before: Total = Total(0, 0, 0)
    after: Total = Total(0, 0, 0)
    needs: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    digest: str = ""
    basis: str = ""
    schema_version: int = SCHEMA_VERSION

    def plan_of(self, application: str) -> Plan | None:
        """The plan of one application; None where the merge does not touch it."""
        found = (each.plan for each in self.applications if each.application == application)
        return next(found, None)
