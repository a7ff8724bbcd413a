"""Which models are just where they shall be, recognised without asking the engine. Pure.

Nearly all are, in nearly every plan. So what was found is remembered from plan to plan, and holds for a
model as long as its demand, its live replicas and the servers are what they were.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from placement.demand import Demand
from placement.filters import EXPLAINER_CAPABILITY
from placement.inventory import ReplicaId, Server, ServerReplica
from placement.placement import Assignment
from reconciler.planning.book import ModelName, assigned_target
from runtime.routes import Target
from runtime.state import LiveModelReplica, LiveState


@dataclass(frozen=True)
class Settled:
    """Where a model stands and stays, and what answers for it."""

    assignment: Assignment
    target: Target


Finding = tuple[Demand, Sequence[LiveModelReplica], Settled | None]
"""What was looked at, and what was found."""


def settled_models(
    demands: Mapping[ModelName, Demand], servers: tuple[Server, ...], live: LiveState
) -> dict[ModelName, Settled]:
    """Those of ``demands`` that are just where they shall be, by name."""
    known = known_on(servers)
    findings = {name: known.look(name, demand, live) for name, demand in demands.items()}
    known.findings = findings  # what nobody demands any more is forgotten
    return {name: settled for name, (_, _, settled) in findings.items() if settled is not None}


class _Known:
    """What was found on these servers. Threads may share it: every finding is true on its own."""

    def __init__(self, servers: tuple[Server, ...]) -> None:
        self.findings: Mapping[ModelName, Finding] = {}
        self._replicas = {s.replica_id(r.index): (r, s.shared) for s in servers for r in s.replicas}

    def look(self, name: ModelName, demand: Demand, live: LiveState) -> Finding:
        """What is found of one model now."""
        entries = live.by_model.get(name, ())
        known = self.findings.get(name)
        if known is not None and known[0] is demand and known[1] == entries:
            return known
        assignment = _settled(demand, entries, self._replicas)
        if assignment is None:
            return demand, entries, None
        return demand, entries, Settled(assignment, _as_routed(assigned_target(assignment), name, live))


@lru_cache(maxsize=1)
def known_on(servers: tuple[Server, ...]) -> _Known:
    """What is remembered of these servers."""
    return _Known(servers)


def _as_routed(target: Target, name: ModelName, live: LiveState) -> Target:
    """The equal target that a route has, where one has it: comparing a thing with itself is cheap."""
    route = live.routed.get(name)
    routed = [weighted.target for weighted in route.targets] if route else []
    return next((known for known in routed if known == target), target)


def _settled(
    demand: Demand,
    entries: Sequence[LiveModelReplica],
    replicas: Mapping[ReplicaId, tuple[ServerReplica, bool]],
) -> Assignment | None:
    """The assignment of a model that is just where it shall be.

    The engine would keep it there: it takes the server and the replicas that hold the version first,
    and what is held needs no room.
    """
    if not entries or len(entries) != demand.replicas:
        return None
    server = entries[0].replica.server
    if demand.server not in (None, server):
        return None
    for entry in entries:
        replica, shared = replicas.get(entry.replica, (None, False))
        if (
            entry.version != demand.version
            or entry.state not in ("Loaded", "Loading")
            or entry.replica.server != server
            or replica is None
            or replica.state != "Ready"
            or not (shared or demand.server)
            or not replica.capability_set.issuperset(demand.requirements)
            or (demand.explainer and EXPLAINER_CAPABILITY not in replica.capability_set)
        ):
            return None
    indices = tuple(sorted(entry.replica.index for entry in entries))
    return Assignment(demand.namespace, demand.model, demand.version, server, indices, "Scheduled", "")
