"""An inventory file back to live state: what its schema cannot see is checked, and everything sorted.

What the file leaves open is settled in :mod:`reconciler.inventory.fitting`, once it is known what Git
wants.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from placement.inventory import ReplicaId
from reconciler.inventory.text import invalid, inventory_value, pointer
from reconciler.planning.stand_in import ServerSize, stand_in
from runtime.routes import Route
from runtime.state import AppliedResource, EnvironmentFacts, LiveModelReplica, LiveServerReplica, LiveState
from schemas.codec import decode
from schemas.load import read_file
from schemas.resource import DEFAULT_NAMESPACE, Origin, Resource
from schemas.template import DEFAULT_OVERCOMMIT_PERCENT, ServerTemplate

OWNER = "inventory"
"""Who owns the servers of a file that lists no applied resources."""

Object = Mapping[str, Any]


@dataclass(frozen=True)
class InventoryFile:
    """What a file says. ``listening`` is None where it does not say it; ``described`` are servers
    (namespace, name) that count as wanted just as they are; the templates of the replicas ``untold``
    are still to be found; with ``anything_runs`` nothing is said about environments."""

    live: LiveState
    listening: tuple[str, ...] | None
    described: frozenset[tuple[str, str]]
    untold: frozenset[ReplicaId]
    anything_runs: bool


def read_inventory(data: bytes, file: str) -> InventoryFile:
    """The inventory in ``data``, the content of ``file``. Raises InputError ``InvalidInventory``."""
    return _Reader(inventory_value(data, file)).read(file)


class _Reader:
    """One file that the schema has accepted. ``problems`` are what the schema cannot see."""

    def __init__(self, value: Object) -> None:
        self._value = value
        self._problems: list[str] = []
        self._servers: list[LiveServerReplica] = []
        self._models: list[LiveModelReplica] = []
        self._untold: set[ReplicaId] = set()

    def read(self, file: str) -> InventoryFile:
        value = self._value
        resources = sorted(self._resources(), key=lambda entry: entry.resource.key)
        self._read_servers()
        routes = [decode(Route, each) for each in value.get("routes", ())]
        self._require_distinct("routes", [(route.namespace, route.name) for route in routes])
        if self._problems:
            raise invalid(file, self._problems)
        live = LiveState(
            tuple(resources),
            tuple(sorted(self._servers, key=lambda entry: entry.id)),
            tuple(sorted(self._models, key=lambda m: (m.namespace, m.model, m.version, m.replica))),
            tuple(sorted(routes, key=lambda route: (route.namespace, route.name))),
            {
                name: decode(EnvironmentFacts, {"serverConfig": name, **facts})
                for name, facts in sorted(value.get("environments", {}).items())
            },
        )
        listening = value.get("listening")
        return InventoryFile(
            live if "resources" in value else self._as_described(live, file),
            None if listening is None else tuple(sorted(set(listening))),
            frozenset() if "resources" in value else frozenset(map(_name, value["servers"])),
            frozenset(self._untold),
            "environments" not in value,
        )

    def _require_distinct(self, where: str, identities: Sequence[object]) -> None:
        seen: set[object] = set()
        for place, identity in enumerate(identities):
            if identity in seen:
                self._problems.append(f"{pointer([*where.split('/'), place])} is listed twice")
            seen.add(identity)

    def _resources(self) -> list[AppliedResource]:
        found = []
        for place, each in enumerate(self._value.get("resources", ())):
            resource = self._resource(each["manifest"], pointer(["resources", place, "manifest"]))
            if resource is not None:
                origin = decode(Origin, each.get("origin", {"source": "manual"}))
                found.append(AppliedResource(replace(resource, origin=origin), each["owner"]))
        self._require_distinct("resources", [entry.resource.key for entry in found])
        return found

    def _resource(self, manifest: Object, at: str) -> Resource | None:
        reading = read_file("manifest.json", json.dumps(manifest).encode(), DEFAULT_NAMESPACE, "cluster")
        if reading.resources:
            return reading.resources[0]
        errors = [each for each in reading.problems if each.severity == "error"]
        told = "; ".join(f"{each.path or each.code}: {each.message}" for each in errors[:3])
        self._problems.append(f"{at}: {told or 'no manifest of a kind that is known here'}")
        return None

    def _read_servers(self) -> None:
        servers = self._value["servers"]
        self._require_distinct("servers", [_name(server) for server in servers])
        for place, server in enumerate(servers):
            where = f"servers/{place}/replicas"
            self._require_distinct(where, [replica["index"] for replica in server["replicas"]])
            for number, replica in enumerate(server["replicas"]):
                self._read_replica(server, replica, f"{where}/{number}/models")

    def _read_replica(self, server: Object, replica: Object, where: str) -> None:
        at = ReplicaId(*_name(server), replica["index"])
        models = [_model(each, at) for each in replica.get("models", ())]
        self._require_distinct(where, [(m.namespace, m.model, m.version) for m in models])
        for number, model in enumerate(models):
            if model.namespace != at.namespace:
                self._problems.append(f"/{where}/{number}/namespace is not that of the server")
        capabilities = tuple(replica.get("capabilities", server.get("capabilities", ())))
        if "template" not in replica:
            self._untold.add(at)
        entry = LiveServerReplica(
            at,
            replica.get("state", "Ready"),
            _template(replica, capabilities),
            capabilities,
            replica.get("reason", ""),
            replica.get("message", ""),
            _reserved(replica, models),
            server.get("shared", True),
        )
        self._servers.append(entry)
        self._models.extend(models)

    def _as_described(self, live: LiveState, file: str) -> LiveState:
        """Every server of the file applied, as a stand-in that asks for just what is described."""
        applied: list[AppliedResource] = []
        environments = dict(live.environments)
        for place, server in enumerate(self._value["servers"]):
            sizes = {_size(server, replica) for replica in server["replicas"]}
            if len(sizes) != 1:
                problem = "differ in size" if sizes else "are none, so that nobody knows their size"
                raise invalid(file, [f"{pointer(['servers', place, 'replicas'])} {problem}"])
            made = stand_in(*_name(server), sizes.pop())
            applied.extend(made.applied(OWNER))
            environments[made.facts.server_config] = made.facts
        resources = tuple(sorted(applied, key=lambda entry: entry.resource.key))
        return replace(live, resources=resources, environments=environments)


def _name(server: Object) -> tuple[str, str]:
    return server.get("namespace", DEFAULT_NAMESPACE), server["name"]


def _size(server: Object, replica: Object) -> ServerSize:
    expected = server.get("expectedReplicas", -1)
    memory = replica["memory"]
    return ServerSize(
        len(server["replicas"]) if expected == -1 else expected,
        memory["capacity"],
        tuple(sorted(server.get("capabilities", ()))),
        memory.get("overcommitPercent", DEFAULT_OVERCOMMIT_PERCENT),
        tuple(sorted(replica.get("resources", {}).items())),
        replica.get("instances", 1),
    )


def _template(replica: Object, capabilities: tuple[str, ...]) -> ServerTemplate:
    said = replica.get("template", {})
    memory = replica["memory"]
    return ServerTemplate(
        said.get("serverConfig", ""),
        said.get("serverType", ""),
        tuple(said.get("capabilities", capabilities)),
        memory["capacity"],
        memory.get("overcommitPercent", DEFAULT_OVERCOMMIT_PERCENT),
        dict(said.get("environment", {})),
    )


def _reserved(replica: Object, models: Iterable[LiveModelReplica]) -> int:
    """What is said to be reserved, and what is used by nothing that is listed."""
    memory: Mapping[str, int] = replica["memory"]
    listed = sum(model.memory for model in models if model.state != "LoadFailed")
    listed *= int(replica.get("instances", 1))
    return memory.get("reserved", 0) + max(0, memory.get("used", listed) - listed)


def _model(said: Object, at: ReplicaId) -> LiveModelReplica:
    return LiveModelReplica(
        said.get("namespace", at.namespace),
        said["name"],
        said["version"],
        said.get("number", 1),
        at,
        said.get("memory", 0),
        said.get("state", "Loaded"),
        said.get("reason", ""),
        said.get("message", ""),
    )
