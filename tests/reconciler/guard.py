"""A runtime that watches its own rules while a plan is executed on it."""

import asyncio
from dataclasses import dataclass
from random import Random

from placement.inventory import ReplicaId
from reconciler.planning.occupation import declared_instances
from runtime.operations import LoadModel, Operation, Result, SetRoutes, StopServerReplica, UnloadModel
from runtime.routes import Route, Target
from runtime.state import LiveState
from tests.fakes.simulated import SimulatedRuntime


@dataclass
class Guard:
    """A runtime that refuses to watch a rule being broken, around a simulated one. With ``random``,
    operations take any time, so that every order comes up that the steps permit."""

    inner: SimulatedRuntime
    random: Random | None = None

    async def observe(self) -> LiveState:
        return await self.inner.observe()

    def changes(self):
        return self.inner.changes()

    async def apply(self, operation: Operation) -> Result:
        for _ in range(self.random.choice((0, 0, 1, 5, 30)) if self.random else 0):
            await asyncio.sleep(0)
        before = await self.inner.observe()
        if isinstance(operation, UnloadModel | StopServerReplica):
            self._nobody_routes_there(operation, before)
        result = await self.inner.apply(operation)
        after = await self.inner.observe()
        if isinstance(operation, LoadModel):
            self._not_overfilled(operation.replica, after)
        if isinstance(operation, SetRoutes):
            self._routes_lead_to_loaded_models(operation, after)
        return result

    def _nobody_routes_there(self, operation: UnloadModel | StopServerReplica, live: LiveState) -> None:
        model_ = getattr(operation, "model", None)
        for route in live.routes:
            for target in _targets(route):
                if (
                    model_ in (None, target.model)
                    and getattr(operation, "version", target.version) == target.version
                ):
                    assert operation.replica not in target.replicas, f"{operation} is still routed"

    def _not_overfilled(self, at: ReplicaId, live: LiveState) -> None:
        """What was there before a server shrank may stay; nothing may be added to it."""
        template = next(replica.template for replica in live.servers if replica.id == at)
        used = sum(m.memory for m in live.models if m.replica == at and m.state != "LoadFailed")
        assert used * declared_instances(template) <= template.memory, f"{at} is overfilled"

    def _routes_lead_to_loaded_models(self, operation: SetRoutes, live: LiveState) -> None:
        loaded = {(m.model, m.version, m.replica) for m in live.models if m.state == "Loaded"}
        for route in operation.set:
            for target in _targets(route):
                for replica in target.replicas:
                    assert (target.model, target.version, replica) in loaded


def _targets(route: Route) -> list[Target]:
    return [*(w.target for w in route.targets), *([route.mirror.target] if route.mirror else [])]
