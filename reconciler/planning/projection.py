"""The inventory as it will be once a plan's own server changes and deletes are done.

Pure. Models are placed against this, and execution waits for the replicas it promises. What each
move does to it is the business of :mod:`reconciler.planning.moves`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from placement.inventory import Inventory, LoadedModel, ReplicaId, Server, ServerReplica
from reconciler.planning.annotated import named_resources
from reconciler.planning.occupation import MEMORY, Amounts, Occupation, declared_instances
from reconciler.planning.plan import Failure, ServerMove
from runtime.capabilities import offered
from runtime.state import EnvironmentFacts, LiveModelReplica, LiveServerReplica, LiveState
from schemas.errors import InputError
from schemas.placement_annotations import Resources
from schemas.resource import Resource, ResourceKey, key
from schemas.scaling import effective_scaling
from schemas.specs import ModelSpec, ServerConfigSpec, ServerSpec
from schemas.template import ServerTemplate, server_template

Loaded = dict[ReplicaId, dict[tuple[str, str], LoadedModel]]
"""(model, version) → entry, by server replica."""

NOTHING: Mapping[ReplicaId, Amounts] = {}

MAX_SERVER_REPLICAS = 1_000
"""Replicas of one Server at most: a manifest must not make the planner count for hours."""


@dataclass(frozen=True)
class ServerPlan:
    """What is to happen to servers: moves by replica, failures by key, replicas as they will be."""

    moves: tuple[ServerMove, ...]
    failures: tuple[Failure, ...]
    servers: tuple[Server, ...]


def plan_servers(
    wanted: Mapping[ResourceKey, Resource], defaults: Mapping[str, ServerConfigSpec], live: LiveState
) -> ServerPlan:
    """Server replicas that ``wanted`` asks for against those that live; nothing is loaded on them yet."""
    running: dict[tuple[str, str], dict[int, LiveServerReplica]] = {}
    for entry in live.servers:
        running.setdefault((entry.id.namespace, entry.id.server), {})[entry.id.index] = entry
    moves: list[ServerMove] = []
    failures: list[Failure] = []
    servers: list[Server] = []
    for resource in wanted.values():
        if not isinstance(resource.spec, ServerSpec):
            continue
        have = running.pop((resource.key.namespace, resource.key.name), {})
        template, failure = _template(resource, wanted, defaults, live.environments)
        if failure is not None:
            failures.append(failure)
        server, server_moves = _plan_server(resource, template, have, live.environments)
        servers.append(server)
        moves.extend(server_moves)
    for have in running.values():
        moves.extend(ServerMove("stop", entry.id, None) for entry in have.values())
    return ServerPlan(
        tuple(sorted(moves, key=lambda move: move.replica)),
        tuple(sorted(failures, key=lambda failure: failure.key)),
        tuple(sorted(servers, key=lambda server: (server.namespace, server.name))),
    )


def _template(
    resource: Resource,
    wanted: Mapping[ResourceKey, Resource],
    defaults: Mapping[str, ServerConfigSpec],
    environments: Mapping[str, EnvironmentFacts],
) -> tuple[ServerTemplate | None, Failure | None]:
    """What the replicas of a server are started from, or why there is nothing to start them from."""
    assert isinstance(resource.spec, ServerSpec)
    try:
        template = server_template(resource.spec, _server_config(resource, wanted, defaults))
        _check_runnable(resource.spec, environments)
    except InputError as error:
        return None, Failure(resource.key, error.reason, error.message, _replicas(resource.spec))
    return template, None


def _server_config(
    resource: Resource, wanted: Mapping[ResourceKey, Resource], defaults: Mapping[str, ServerConfigSpec]
) -> ServerConfigSpec:
    assert isinstance(resource.spec, ServerSpec)
    namespace, name = resource.key.namespace, resource.spec.server_config
    declared = wanted.get(key("ServerConfig", namespace, name))
    config = declared.spec if declared is not None else defaults.get(name)
    if not isinstance(config, ServerConfigSpec):
        message = f"no ServerConfig {name!r} in namespace {namespace} or among the defaults"
        raise InputError("ServerConfigNotFound", message)
    return config


def _check_runnable(spec: ServerSpec, environments: Mapping[str, EnvironmentFacts]) -> None:
    if _replicas(spec) > MAX_SERVER_REPLICAS:
        message = f"{_replicas(spec)} replicas; one server may have {MAX_SERVER_REPLICAS}"
        raise InputError("TooManyReplicas", message)
    facts = environments.get(spec.server_config)
    if facts is None:
        message = f"this machine has no program for servers of ServerConfig {spec.server_config!r}"
        raise InputError("NoServerBinary", message)
    if not facts.runnable:
        raise InputError(facts.reason, facts.message)


def _replicas(spec: ServerSpec) -> int:
    return effective_scaling(spec.replicas, spec.min_replicas, spec.max_replicas).replicas


def _plan_server(
    resource: Resource,
    template: ServerTemplate | None,
    have: Mapping[int, LiveServerReplica],
    environments: Mapping[str, EnvironmentFacts],
) -> tuple[Server, list[ServerMove]]:
    """One server as it will be, and its moves; without a template what runs stays as it is."""
    assert isinstance(resource.spec, ServerSpec)
    namespace, name = resource.key.namespace, resource.key.name
    count, resources = _replicas(resource.spec), named_resources(resource)
    moves: list[ServerMove] = []
    replicas: list[ServerReplica] = []
    for index in range(count) if template is not None else sorted(i for i in have if i < count):
        entry = have.get(index)
        if entry is not None and template in (None, entry.template):
            replicas.append(_as_it_runs(entry, resources))
        elif template is not None:
            replica = ReplicaId(namespace, name, index)
            moves.append(ServerMove("start" if entry is None else "replace", replica, template))
            capabilities, _ = offered(template.capabilities, environments[template.server_config])
            replicas.append(_as_promised(index, template, capabilities, resources))
    moves.extend(ServerMove("stop", entry.id, None) for index, entry in have.items() if index >= count)
    return Server(namespace, name, count, tuple(replicas), _shared(have.values())), moves


def _shared(entries: Iterable[LiveServerReplica]) -> bool:
    """Sharing is a fact of the whole server: one replica that is not shared speaks for all."""
    return all(entry.shared for entry in entries)


def _as_it_runs(entry: LiveServerReplica, resources: Resources) -> ServerReplica:
    """Resources are bookkeeping: a change of the annotation holds at once, for replicas that run too."""
    return ServerReplica(
        index=entry.id.index,
        state=entry.state,
        capabilities=entry.capabilities,
        memory_capacity=entry.template.memory,
        overcommit_percent=entry.template.overcommit_percent,
        reserved=entry.reserved,
        resources=resources,
        instances=declared_instances(entry.template),
    )


def _as_promised(
    index: int, template: ServerTemplate, capabilities: tuple[str, ...], resources: Resources
) -> ServerReplica:
    return ServerReplica(
        index,
        "Pending",
        capabilities,
        template.memory,
        template.overcommit_percent,
        resources=resources,
        instances=declared_instances(template),
    )


def inventory(
    servers: Iterable[Server], loaded: Loaded, unlisted: Mapping[ReplicaId, Amounts] = NOTHING
) -> Inventory:
    """The servers with ``loaded`` on them, and ``unlisted`` amounts of models that are not asked about."""
    return Inventory(tuple(replace(server, replicas=_filled(server, loaded, unlisted)) for server in servers))


def listed(models: Iterable[LiveModelReplica], occupation: Occupation) -> Loaded:
    """Live model replicas as the inventory lists them, by replica, model and version."""
    loaded: Loaded = {}
    for entry in models:
        memory, resources = occupation.memory_of(entry), occupation.resources_of(entry)
        loaded.setdefault(entry.replica, {})[entry.model, entry.version] = LoadedModel(
            entry.model, entry.version, memory, entry.state, entry.message, resources
        )
    return loaded


def occupation(
    wanted: Mapping[ResourceKey, Resource], servers: Iterable[Server], live: LiveState
) -> Occupation:
    """What live models occupy on ``servers``: resources as wanted now, else as they were applied."""
    instances = {entry.id: declared_instances(entry.template) for entry in live.servers}
    instances.update((server.replica_id(r.index), r.instances) for server in servers for r in server.replicas)
    resources: dict[tuple[str, str], Resources] = {}
    for resource in chain((entry.resource for entry in live.resources), wanted.values()):
        if resource.annotations and isinstance(resource.spec, ModelSpec):
            named = named_resources(wanted.get(resource.key, resource))
            if named:
                resources[resource.key.namespace, resource.key.name] = named
    return Occupation({replica: count for replica, count in instances.items() if count > 1}, resources)


def live_inventory(live: LiveState) -> Inventory:
    """The inventory as it is now, before anything is planned."""
    running: dict[tuple[str, str], list[LiveServerReplica]] = {}
    for entry in live.servers:
        running.setdefault((entry.id.namespace, entry.id.server), []).append(entry)
    offering = {
        (resource.key.namespace, resource.key.name): named_resources(resource)
        for resource in (entry.resource for entry in live.resources)
        if isinstance(resource.spec, ServerSpec)
    }
    servers = []
    for name, entries in sorted(running.items()):
        replicas = tuple(_as_it_runs(entry, offering.get(name, ())) for entry in entries)
        servers.append(Server(*name, len(entries), replicas, _shared(entries)))
    return inventory(servers, listed(live.models, occupation({}, servers, live)))


def _filled(
    server: Server, loaded: Loaded, unlisted: Mapping[ReplicaId, Amounts]
) -> tuple[ServerReplica, ...]:
    filled = []
    for replica in server.replicas:
        at = server.replica_id(replica.index)
        entries = tuple(entry for _, entry in sorted(loaded.get(at, {}).items()))
        rest = dict(unlisted.get(at, {}))
        memory = rest.pop(MEMORY, 0)
        resources = tuple(sorted(rest.items()))
        filled.append(replace(replica, loaded=entries, unlisted=memory, unlisted_resources=resources))
    return tuple(filled)
