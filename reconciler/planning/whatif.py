"""What if: the input of a plan, changed by assumptions. Pure.

Nothing here is executed: the executor takes plans that the controller made of what it saw, and a plan
of a supposed world has another basis than any of these. An assumption does not ask for a change, it
changes what is there: no owner and no prune rule stands in its way, and Git's own changes are planned
on top of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from placement.inventory import ReplicaId
from placement.policy import Policy as PlacementPolicy
from placement.quantity import readable_bytes
from reconciler.desired import Desired
from reconciler.planning.planner import Policy, plan, wanted_resources
from reconciler.planning.stand_in import ServerSize, stand_in
from runtime.state import AppliedResource, LiveServerReplica, LiveState
from schemas.errors import InputError
from schemas.resource import Resource, ResourceKey, key
from schemas.specs import ServerSpec
from schemas.template import DEFAULT_OVERCOMMIT_PERCENT, merge_pod_spec

OWNER = "what-if"
REASON = "WhatIf"
"""Why a plan of a supposed world was made."""


@dataclass(frozen=True)
class World:
    """Everything that a plan is made from."""

    desired: Desired
    live: LiveState
    policy: Policy


@dataclass(frozen=True)
class WithServer:
    """A further server, or one that exists with other numbers; None leaves a number as it is."""

    namespace: str
    name: str
    replicas: int | None = None
    memory: int | None = None
    capabilities: tuple[str, ...] | None = None
    overcommit_percent: int | None = None

    def __str__(self) -> str:
        said = [
            "" if self.replicas is None else f"replicas {self.replicas}",
            "" if self.memory is None else f"memory {readable_bytes(self.memory)}",
            "" if self.overcommit_percent is None else f"overcommit {self.overcommit_percent}%",
            "" if self.capabilities is None else f"capabilities {','.join(self.capabilities) or 'none'}",
        ]
        return f"server {self.namespace}/{self.name} with {', '.join(filter(None, said)) or '1 replica'}"


@dataclass(frozen=True)
class WithoutServer:
    """A server that is gone, or with ``index`` one of its replicas that is Lost."""

    namespace: str
    name: str
    index: int | None = None

    def __str__(self) -> str:
        server = f"{self.namespace}/{self.name}"
        return f"no server {server}" if self.index is None else f"server replica {server}/{self.index} lost"


@dataclass(frozen=True)
class WithPolicy:
    """Another placement policy."""

    placement: PlacementPolicy

    def __str__(self) -> str:
        moves = f", at most {self.placement.max_moves} moves" if self.placement.max_moves else ""
        return f"placement policy {self.placement.name}{moves}"


Assumption = WithServer | WithoutServer | WithPolicy


def supposed(world: World, assumptions: Sequence[Assumption]) -> World:
    """``world`` as it would be under ``assumptions``, taken one after the other.

    Raises InputError ``ResourceNotFound`` or ``InvalidCommand`` for what cannot be assumed.
    """
    for assumption in assumptions:
        match assumption:
            case WithServer():
                world = _with_server(world, assumption)
            case WithoutServer(namespace, name, None):
                world = _without_server(world, key("Server", namespace, name))
            case WithoutServer(namespace, name, index) if index is not None:
                world = _without_replica(world, ReplicaId(namespace, name, index))
            case WithPolicy(placement):
                world = replace(world, policy=replace(world.policy, placement=placement))
    return world


def _wanted(world: World) -> Mapping[ResourceKey, Resource]:
    made = plan(world.desired, world.live, world.policy)
    return wanted_resources(made.changes, world.live)


def _with_server(world: World, asked: WithServer) -> World:
    server = _wanted(world).get(key("Server", asked.namespace, asked.name))
    return _with_new_server(world, asked) if server is None else _declared(world, _changed(server, asked))


def _with_new_server(world: World, asked: WithServer) -> World:
    if asked.memory is None:
        message = f"server {asked.namespace}/{asked.name} does not exist yet: how large is it?"
        raise InputError("InvalidCommand", message, "say --memory")
    overcommit = asked.overcommit_percent
    size = ServerSize(
        1 if asked.replicas is None else asked.replicas,
        asked.memory,
        tuple(sorted(set(asked.capabilities or ()))),
        DEFAULT_OVERCOMMIT_PERCENT if overcommit is None else overcommit,
    )
    made = stand_in(asked.namespace, asked.name, size)
    bare = _without(world, made.server.key, made.config.key)
    resources = sorted([*bare.live.resources, *made.applied(OWNER)], key=lambda entry: entry.resource.key)
    environments = {**bare.live.environments, made.facts.server_config: made.facts}
    return replace(bare, live=replace(bare.live, resources=tuple(resources), environments=environments))


def _without(world: World, *keys: ResourceKey) -> World:
    """``world`` in which neither Git nor what is applied knows these."""
    desired, live = world.desired, world.live
    wanted = tuple(each for each in desired.resources if each.key not in keys)
    applied = tuple(entry for entry in live.resources if entry.resource.key not in keys)
    return replace(world, desired=replace(desired, resources=wanted), live=replace(live, resources=applied))


def _changed(server: Resource, asked: WithServer) -> Resource:
    """The Server with other numbers. Memory and overcommit are settings of its agent: they count
    before anything else that its pod says."""
    spec = server.spec
    assert isinstance(spec, ServerSpec)
    if asked.replicas is not None:
        spec = replace(spec, replicas=asked.replicas, min_replicas=None, max_replicas=None)
    if asked.capabilities is not None:
        spec = replace(spec, capabilities=asked.capabilities, extra_capabilities=())
    settings = {
        "MEMORY_REQUEST": asked.memory,
        "SELDON_OVERCOMMIT_PERCENTAGE": asked.overcommit_percent,
    }
    env = [{"name": name, "value": str(value)} for name, value in settings.items() if value is not None]
    if env:
        agent = {"containers": [{"name": "agent", "env": env}]}
        spec = replace(spec, pod_spec=merge_pod_spec(spec.pod_spec or {}, agent))
    return replace(server, spec=spec)


def _declared(world: World, server: Resource) -> World:
    """``server`` as what both Git and the world say of it, as far as they know it."""
    desired, live = world.desired, world.live
    wanted = tuple(server if each.key == server.key else each for each in desired.resources)
    applied = tuple(
        AppliedResource(server, e.owner) if e.resource.key == server.key else e for e in live.resources
    )
    return replace(world, desired=replace(desired, resources=wanted), live=replace(live, resources=applied))


def _without_server(world: World, server: ResourceKey) -> World:
    name = (server.namespace, server.name)
    runs = any((entry.id.namespace, entry.id.server) == name for entry in world.live.servers)
    if not runs and server not in _wanted(world):
        raise InputError("ResourceNotFound", f"no {server} in Git or applied")
    return _without(world, server)


def _without_replica(world: World, lost: ReplicaId) -> World:
    """The replica is Lost and stays it: it counts as started from what its Server asks for now, and
    what was loaded there is gone, as the runtime forgets it."""
    live = world.live
    moves = plan(world.desired, live, world.policy).server_moves
    asked = {move.replica: move.template for move in moves if move.template is not None}
    running = {entry.id: entry for entry in live.servers}
    template = asked.get(lost) or (running[lost].template if lost in running else None)
    if template is None:
        raise InputError("ResourceNotFound", f"no server replica {lost} runs or is wanted")
    running[lost] = LiveServerReplica(lost, "Lost", template, template.capabilities)
    servers = tuple(running[at] for at in sorted(running))
    models = tuple(model for model in live.models if model.replica != lost)
    return replace(world, live=replace(live, servers=servers, models=models))
