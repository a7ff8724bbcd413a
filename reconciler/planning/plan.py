"""The plan: everything that one sync will do, as a value, with two digests.

A plan is a delta: what stays is implied. It is what a preview shows, what ``moorage plan`` prints and
the only thing the executor takes. ``digest`` covers the effects, ``basis`` the inputs; commit ids,
times and process ids are in neither, so a squash merge matches its preview. Making a plan is the
business of :mod:`reconciler.planning.planner`, ordering its steps of :mod:`reconciler.planning.order`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from placement.inventory import ReplicaId
from placement.rebalancing.rebalance import Group
from placement.why.remedy import Remedy
from runtime.routes import Route
from schemas.codec import digest, encode
from schemas.placement_annotations import Resources
from schemas.resource import Resource, ResourceKey
from schemas.specs import ModelSpec
from schemas.template import ServerTemplate

PLANNER_VERSION = 2

LoadReason = Literal["NewModel", "NewVersion", "MoreReplicas", "Moved"]
UnloadReason = Literal["ModelDeleted", "OldVersion", "FewerReplicas", "Moved", "ServerReplicaGone"]


@dataclass(frozen=True)
class FieldChange:
    """One field that differs; ``path`` as in ``spec.requirements[0]``, None where absent."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """Create, update or delete one resource; ``after`` is None for a delete."""

    action: Literal["create", "update", "delete"]
    key: ResourceKey
    after: Resource | None
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True)
class ServerMove:
    """Start, replace or stop one server replica. ``template`` is None for a stop."""

    action: Literal["start", "replace", "stop"]
    replica: ReplicaId
    template: ServerTemplate | None


@dataclass(frozen=True)
class Unload:
    """Unload one model version from one replica. ``memory`` is bytes of all its instances there,
    ``resources`` what else it gives back."""

    namespace: str
    model: str
    version: str
    replica: ReplicaId
    memory: int
    reason: UnloadReason
    round: int
    resources: Resources = ()


@dataclass(frozen=True)
class Load:
    """Load one model version on one replica. ``needs`` are unloads of this plan that come first: it takes
    their memory or resources, or it is to replace them (``Recreate``). ``round`` counts from 1."""

    namespace: str
    model: str
    version: str
    replica: ReplicaId
    memory: int
    reason: LoadReason
    round: int
    needs: tuple[Unload, ...] = ()
    resources: Resources = ()


@dataclass(frozen=True)
class RouteChange:
    """One route before and after; None where there is none. Both sides share namespace and name.

    ``via`` are states that it has to take on the way, in order, so that others can come in: mostly none.
    """

    namespace: str
    name: str
    before: Route | None
    after: Route | None
    via: tuple[Route | None, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A resource that this plan cannot bring where its manifest wants it, and why; for a model also the
    cheapest change that would, None where no single one does or too many were asked about."""

    key: ResourceKey
    reason: str
    message: str
    desired: int = 0
    placed: int = 0
    remedy: Remedy | None = None


@dataclass(frozen=True)
class Held:
    """Something this plan leaves undone on purpose (a guarded delete, a resource of another owner)."""

    key: ResourceKey
    reason: str
    message: str


@dataclass(frozen=True)
class PlanWarning:
    """Something about a changed resource that is no failure, and may surprise later."""

    key: ResourceKey
    reason: str
    message: str


@dataclass(frozen=True)
class Turn:
    """When the steps of one resource come: after those of lower waves, and of the resources in ``after``."""

    key: ResourceKey
    wave: int
    after: tuple[ResourceKey, ...] = ()


@dataclass(frozen=True)
class Capacity:
    """Memory of one server replica in bytes: its limit with overcommit, used before and after."""

    replica: ReplicaId
    limit: int
    before: int
    after: int


@dataclass(frozen=True)
class Plan:
    """What one sync of ``application`` at ``revision`` will do.

    Order: changes by key; server moves by replica; loads and unloads by (replica, model, version);
    routes by (namespace, name); failures and held by key; warnings by (key, reason); capacity by replica. ``specs`` holds the
    spec of every version that is loaded, by version digest. ``rebalance`` says what moves of served models
    are good for, in the order in which they are done; no sync has any. ``turns``, by key, are those of the
    resources of the application that the plan touches, where any of its resources says something about order.
    """

    application: str
    revision: str
    reason: str
    changes: tuple[Change, ...] = ()
    server_moves: tuple[ServerMove, ...] = ()
    loads: tuple[Load, ...] = ()
    unloads: tuple[Unload, ...] = ()
    routes: tuple[RouteChange, ...] = ()
    failures: tuple[Failure, ...] = ()
    held: tuple[Held, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()
    capacity: tuple[Capacity, ...] = ()
    specs: Mapping[str, ModelSpec] = field(default_factory=dict)
    rebalance: tuple[Group, ...] = ()
    turns: tuple[Turn, ...] = ()
    digest: str = ""
    basis: str = ""
    schema: int = 1

    @property
    def empty(self) -> bool:
        """True where executing it would change nothing."""
        return not (self.changes or self.server_moves or self.loads or self.unloads or self.routes)


def effects_digest(plan: Plan) -> str:
    """Digest of what the plan does and of why it cannot do the rest.

    Origins (file, line) are no effect, a failure's wording is not its reason, and a warning changes nothing.
    """
    return digest(
        {
            "schema": plan.schema,
            "changes": [_change_effect(change) for change in plan.changes],
            "serverMoves": encode(plan.server_moves),
            "loads": encode(plan.loads),
            "unloads": encode(plan.unloads),
            "routes": [_route_effect(change) for change in plan.routes],
            "failures": [[str(f.key), f.reason] for f in plan.failures],
            "held": [[str(h.key), h.reason] for h in plan.held],
            "turns": encode(plan.turns),
        }
    )


def _route_effect(change: RouteChange) -> list[Any]:
    return [change.namespace, change.name, encode(change.via), encode(change.after)]


def _change_effect(change: Change) -> list[str]:
    return [change.action, str(change.key), change.after.digest if change.after else ""]
