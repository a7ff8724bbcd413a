"""A runtime without processes: the same words and results as the real one, at once and without a clock.

It exists so that the controller's decisions can be tested by the thousand, with faults put where a
test wants them. It passes the contract of :mod:`tests.contracts.runtime`; what only shows on real
processes (ports, adoption, orphans) stops here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from placement.inventory import ReplicaId
from runtime.capabilities import offered
from runtime.operations import (
    ForgetResource,
    LoadModel,
    Operation,
    RecordResource,
    ReplaceServerReplica,
    Result,
    SetRoutes,
    StartServerReplica,
    StopServerReplica,
    UnloadModel,
)
from runtime.routes import Route
from runtime.state import (
    AppliedResource,
    EnvironmentFacts,
    LiveModelReplica,
    LiveServerReplica,
    LiveState,
)
from schemas.resource import ResourceKey
from schemas.template import ServerTemplate

DONE = Result("done")

MLSERVER = EnvironmentFacts("mlserver", runnable=True, runtimes=("mlserver", "sklearn"))
TRITON = EnvironmentFacts(
    "triton", runnable=False, reason="NoServerBinary", message="this machine has no Triton"
)

ModelAt = tuple[ReplicaId, str, str]
"""Server replica, model, version digest."""


class _InOrder:
    """The values of a table in order, sorted again only where the table has changed."""

    def __init__(self) -> None:
        self._seen: dict[Any, Any] = {}
        self._values: tuple[Any, ...] = ()

    def of(self, table: dict[Any, Any], order: Callable[[Any], Any] | None = None) -> tuple[Any, ...]:
        """By key, or by ``order`` of the values."""
        if table != self._seen:
            self._seen = dict(table)
            self._values = (
                tuple(sorted(table.values(), key=order))
                if order
                else tuple(table[key] for key in sorted(table))
            )
        return self._values


@dataclass
class Faults:
    """What goes wrong until it is taken away again. ``starts`` maps a replica to its reason, ``loads``
    a (replica, model) to its reason."""

    starts: dict[ReplicaId, str] = field(default_factory=dict)
    loads: dict[tuple[ReplicaId, str], str] = field(default_factory=dict)


class SimulatedRuntime:
    """An in-memory ``Runtime``. ``journal`` holds every operation it was given, in order."""

    def __init__(self, environments: Mapping[str, EnvironmentFacts] | None = None) -> None:
        facts = environments if environments is not None else {"mlserver": MLSERVER, "triton": TRITON}
        self.environments = dict(facts)
        self.faults = Faults()
        self.journal: list[Operation] = []
        self._resources: dict[ResourceKey, AppliedResource] = {}
        self._servers: dict[ReplicaId, LiveServerReplica] = {}
        self._models: dict[ModelAt, LiveModelReplica] = {}
        self._routes: dict[tuple[str, str], Route] = {}
        self._numbers: dict[tuple[str, str], dict[str, int]] = {}
        self._hints: set[asyncio.Event] = set()
        self._tables = _InOrder(), _InOrder(), _InOrder(), _InOrder()
        self._observed: LiveState | None = None

    async def observe(self) -> LiveState:
        """The live state now. As of the real one, tables that have not changed are the same tuples."""
        if self._observed is None:
            self._observed = self._observe()
        return self._observed

    def _observe(self) -> LiveState:
        resources, servers, models, routes = self._tables
        return LiveState(
            resources.of(self._resources),
            servers.of(self._servers),
            models.of(self._models, _identity),
            routes.of(self._routes),
            self.environments,
        )

    async def apply(self, operation: Operation) -> Result:
        """Do one operation, to its end, before anything else runs."""
        self.journal.append(operation)
        self._observed = None
        match operation:
            case RecordResource(resource, owner):
                self._resources[resource.key] = AppliedResource(resource, owner)
            case ForgetResource(key):
                self._forget(key)
            case StartServerReplica(replica, template):
                return self._start(replica, template)
            case ReplaceServerReplica(replica, template):
                return self._replace(replica, template)
            case StopServerReplica(replica):
                self._servers.pop(replica, None)
                self._free(replica)
            case LoadModel():
                return self._load(operation)
            case UnloadModel(_, model, version, replica):
                self._models.pop((replica, model, version), None)
            case SetRoutes():
                self._set_routes(operation)
        return DONE

    async def changes(self) -> AsyncIterator[None]:
        """Yields after every fault and recovery that a test asks for."""
        hint = asyncio.Event()
        self._hints.add(hint)
        try:
            while True:
                await hint.wait()
                hint.clear()
                yield
        finally:
            self._hints.discard(hint)

    def crash(self, replica: ReplicaId) -> None:
        """The server process ends: Restarting, its models loading again."""
        self._change(replica, state="Restarting")
        self._restate_models(replica, before="Loaded", after="Loading")

    def recover(self, replica: ReplicaId) -> None:
        """The server is back with the models it still has; failed loads are forgotten: a new incarnation."""
        self._change(replica, state="Ready", reason="", message="")
        self._restate_models(replica, before="Loading", after="Loaded")
        self._models = {
            at: entry
            for at, entry in self._models.items()
            if entry.replica != replica or entry.state != "LoadFailed"
        }

    def lose(self, replica: ReplicaId, reason: str = "ServerStartFailed") -> None:
        """The server stays away: Lost, its models are freed."""
        self._free(replica)
        self._change(replica, state="Lost", reason=reason, message=f"server replica {replica} is gone")

    def notify(self) -> None:
        """Tell everybody who listens that the live state may have changed."""
        self._observed = None
        for hint in self._hints:
            hint.set()

    def _forget(self, key: ResourceKey) -> None:
        self._resources.pop(key, None)
        in_use = any((m.namespace, m.model) == (key.namespace, key.name) for m in self._models.values())
        if key.kind == "Model" and not in_use:
            self._numbers.pop((key.namespace, key.name), None)

    def _start(self, replica: ReplicaId, template: ServerTemplate) -> Result:
        running = self._servers.get(replica)
        if running is not None and running.state == "Ready":
            return DONE if running.template == template else _other_template(replica)
        failure = self._start_failure(replica, template)
        if failure is not None:
            self._servers[replica] = LiveServerReplica(
                replica, "Lost", template, self._offered(template), failure.reason, failure.message
            )
            return failure
        self._servers[replica] = LiveServerReplica(replica, "Ready", template, self._offered(template))
        return DONE

    def _replace(self, replica: ReplicaId, template: ServerTemplate) -> Result:
        running = self._servers.get(replica)
        if running is None or running.state != "Ready":
            return self._start(replica, template)
        failure = self._start_failure(replica, template) or self._reload_failure(replica)
        if failure is not None:
            self._change(replica, reason=failure.reason, message=failure.message)
            return failure
        self._servers[replica] = LiveServerReplica(replica, "Ready", template, self._offered(template))
        self.recover(replica)
        return DONE

    def _load(self, operation: LoadModel) -> Result:
        replica = self._servers.get(operation.replica)
        if replica is None or replica.state != "Ready":
            return Result("failed", "ReplicaNotReady", f"server replica {operation.replica} is not Ready")
        at = (operation.replica, operation.model, operation.version)
        entry = LiveModelReplica(
            operation.namespace,
            operation.model,
            operation.version,
            self._number(operation),
            operation.replica,
            operation.spec.memory or 0,
            "Loaded",
        )
        reason = self.faults.loads.get((operation.replica, operation.model))
        if reason is not None:
            message = f"model {operation.model} could not be loaded"
            self._models[at] = replace(entry, state="LoadFailed", reason=reason, message=message)
            return Result("failed", reason, message)
        self._models[at] = entry
        return DONE

    def _set_routes(self, operation: SetRoutes) -> None:
        for route in operation.set:
            self._routes[route.namespace, route.name] = route
        for name in operation.delete:
            self._routes.pop(name, None)

    def _number(self, operation: LoadModel) -> int:
        numbers = self._numbers.setdefault((operation.namespace, operation.model), {})
        return numbers.setdefault(operation.version, 1 + max(numbers.values(), default=0))

    def _start_failure(self, replica: ReplicaId, template: ServerTemplate) -> Result | None:
        facts = self.environments.get(template.server_config)
        if facts is None or not facts.runnable:
            return Result("failed", "NoServerBinary", facts.message if facts else "no such program")
        reason = self.faults.starts.get(replica)
        return Result("failed", reason, f"server replica {replica} did not start") if reason else None

    def _reload_failure(self, replica: ReplicaId) -> Result | None:
        for entry in self._models.values():
            reason = self.faults.loads.get((replica, entry.model))
            if reason is not None and entry.replica == replica and entry.state == "Loaded":
                return Result("failed", reason, f"model {entry.model} could not be loaded")
        return None

    def _offered(self, template: ServerTemplate) -> tuple[str, ...]:
        facts = self.environments.get(template.server_config)
        return offered(template.capabilities, facts)[0] if facts else ()

    def _change(self, replica: ReplicaId, **fields: str) -> None:
        self._servers[replica] = replace(self._servers[replica], **fields)  # type: ignore[arg-type]  # field names are ours
        self.notify()

    def _restate_models(self, replica: ReplicaId, before: str, after: str) -> None:
        for at, entry in self._models.items():
            if entry.replica == replica and entry.state == before:
                self._models[at] = replace(entry, state=after)  # type: ignore[arg-type]  # both are load states

    def _free(self, replica: ReplicaId) -> None:
        self._models = {at: entry for at, entry in self._models.items() if entry.replica != replica}


def _identity(entry: LiveModelReplica) -> tuple[str, str, str, ReplicaId]:
    return (entry.namespace, entry.model, entry.version, entry.replica)


def _other_template(replica: ReplicaId) -> Result:
    return Result("failed", "Orphaned", f"server replica {replica} runs from another template; replace it")
