"""The questions that decide where a model may go: one predicate each, in the reference's order.

A predicate answers with a :class:`Finding` (why not) or None (nothing against it). The first finding
ends the questions. Nothing is chosen here: choosing is :mod:`placement.engine`'s, telling is
:mod:`placement.why.verdicts`'. Source: ``scheduler/pkg/scheduler/filters`` of Seldon Core 2; what
differs on purpose is listed in ``docs/placement.md``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from placement.demand import Demand
from placement.inventory import LoadedModel, Server, ServerReplica
from placement.placement import VerdictReason
from placement.quantity import readable_amount, readable_bytes, readable_pair
from schemas.placement_annotations import Resources

EXPLAINER_CAPABILITY = "alibi-explain"
LACKS_UNKNOWN = 1 << 30
_SHOWN_CAPABILITIES = 4
_HOLDING = ("Loading", "Loaded")


@dataclass(frozen=True)
class Finding:
    """Why a server or a replica is rejected or accepted: the part of a verdict that knows no names."""

    reason: VerdictReason
    message: str
    numbers: Mapping[str, int | str] = field(default_factory=dict)


ServerFilter = Callable[[Demand, Server], Finding | None]
ReplicaFilter = Callable[[Demand, ServerReplica], Finding | None]


def required_capabilities(demand: Demand) -> tuple[str, ...]:
    """The demand's requirements: blanks around them do not count, case does. Sorted."""
    return tuple(sorted({requirement.strip() for requirement in demand.requirements}))


def is_holding(entry: LoadedModel) -> bool:
    """True where a model version is served, or about to be, by the replica that lists it."""
    return entry.state in _HOLDING


def holds(demand: Demand, replica: ServerReplica) -> bool:
    """True where the replica already has this very version, loading or loaded."""
    return any(is_holding(entry) and _same_version(demand, entry) for entry in replica.loaded)


def _same_version(demand: Demand, entry: LoadedModel) -> bool:
    return entry.model == demand.model and entry.version == demand.version


# Questions about a server.


def has_replicas(demand: Demand, server: Server) -> Finding | None:  # noqa: ARG001 (one signature for all questions)
    """A server needs a replica that is not Lost."""
    if any(replica.state != "Lost" for replica in server.replicas):
        return None
    lost = len(server.replicas)
    expected = "unknown" if server.expected_replicas < 0 else server.expected_replicas
    message = f"no replica is connected ({expected} expected, {lost} lost)"
    return Finding("NoReplicas", message, {"expected": server.expected_replicas, "lost": lost})


def is_requested(demand: Demand, server: Server) -> Finding | None:
    """A pinned model goes to the server it names and nowhere else."""
    if demand.server is None or demand.server == server.name:
        return None
    message = f"the model asks for server {demand.server}"
    return Finding("NotRequestedServer", message, {"requested": demand.server})


def is_shared(demand: Demand, server: Server) -> Finding | None:
    """A server that is not shared takes only models that name it."""
    if server.shared or demand.server == server.name:
        return None
    return Finding("NotShared", "takes only models that name it in spec.server")


def is_scaled_up(demand: Demand, server: Server) -> Finding | None:  # noqa: ARG001 (one signature for all questions)
    """A server that is wanted with 0 replicas takes nothing, even while some still run."""
    if server.expected_replicas != 0:
        return None
    return Finding("ScaledToZero", "the server is scaled to 0 replicas", {"expected": 0})


SERVER_FILTERS: tuple[ServerFilter, ...] = (has_replicas, is_requested, is_shared, is_scaled_up)


# Questions about a server replica.


def is_reachable(demand: Demand, replica: ServerReplica) -> Finding | None:  # noqa: ARG001 (one signature for all questions)
    """A Lost replica takes nothing and frees what it held."""
    return Finding("ReplicaLost", "the replica is lost") if replica.state == "Lost" else None


def has_capabilities(demand: Demand, replica: ServerReplica) -> Finding | None:
    """Every requirement is among this replica's own capabilities."""
    offered = set(replica.capabilities)
    missing = [name for name in required_capabilities(demand) if name not in offered]
    if not missing:
        return None
    more = len(missing) - _SHOWN_CAPABILITIES
    listed = ", ".join(missing[:_SHOWN_CAPABILITIES]) + (f" and {more} more" if more > 0 else "")
    return Finding("MissingCapabilities", f"lacks: {listed}", {"lacking": len(missing), "lacks": listed})


def has_memory(demand: Demand, replica: ServerReplica) -> Finding | None:
    """The version fits into free memory, or is already there."""
    if required_memory(demand, replica) <= replica.free or holds(demand, replica):
        return None
    return Finding("InsufficientMemory", _memory_sentence(demand, replica), memory_numbers(demand, replica))


def has_resources(demand: Demand, replica: ServerReplica) -> Finding | None:
    """What is named beside memory is left, each of it, or the version is already there."""
    if not demand.resources:
        return None
    free = dict(replica.free_resources)
    for name, amount in demand.resources:
        if amount > free.get(name, 0) and not holds(demand, replica):
            return _resource_finding(demand, replica, name, amount)
    return None


def _resource_finding(demand: Demand, replica: ServerReplica, name: str, amount: int) -> Finding:
    free, capacity = (dict(given).get(name, 0) for given in (replica.free_resources, replica.resources))
    left = f"free {readable_amount(free)} of {readable_amount(capacity)}"
    numbers = memory_numbers(demand, replica)
    numbers |= {
        "resource": name,
        "requiredAmount": amount,
        "freeAmount": free,
        "capacityAmount": capacity,
    }
    return Finding("InsufficientResources", f"needs {name} {readable_amount(amount)}, {left}", numbers)


def has_explainer_runtime(demand: Demand, replica: ServerReplica) -> Finding | None:
    """An explainer needs the explainer runtime, whatever its requirements say."""
    if not demand.explainer or EXPLAINER_CAPABILITY in replica.capabilities:
        return None
    return Finding("NoExplainerRuntime", f"lacks: {EXPLAINER_CAPABILITY}", memory_numbers(demand, replica))


def is_staying(demand: Demand, replica: ServerReplica) -> Finding | None:
    """A Draining replica gives its models away."""
    if replica.state != "Draining":
        return None
    return Finding("Draining", "the replica is draining", memory_numbers(demand, replica))


def is_up(demand: Demand, replica: ServerReplica) -> Finding | None:
    """A Restarting replica keeps the versions it has and takes no others until it is Ready."""
    if replica.state != "Restarting" or holds(demand, replica):
        return None
    message = "the replica is restarting and takes no new models"
    return Finding("Restarting", message, memory_numbers(demand, replica))


def can_load(demand: Demand, replica: ServerReplica) -> Finding | None:
    """A version whose load used up its retries is not tried there again."""
    for entry in replica.loaded:
        if entry.state == "LoadFailed" and _same_version(demand, entry):
            why = " ".join(entry.message.split())  # the runtime's text may have lines
            message = "loading this version failed here" + (f": {why}" if why else "")
            return Finding("LoadFailed", message, memory_numbers(demand, replica))
    return None


REPLICA_FILTERS: tuple[ReplicaFilter, ...] = (
    is_reachable,
    has_capabilities,
    has_memory,
    has_resources,
    has_explainer_runtime,
    is_staying,
    is_up,
    can_load,
)


def reject_server(demand: Demand, server: Server) -> Finding | None:
    """The first thing that speaks against the server, whatever its replicas may offer."""
    return next((finding for ask in SERVER_FILTERS if (finding := ask(demand, server))), None)


def reject_replica(demand: Demand, replica: ServerReplica) -> Finding | None:
    """The first thing that speaks against the replica."""
    return next((finding for ask in REPLICA_FILTERS if (finding := ask(demand, replica))), None)


def required_memory(demand: Demand, replica: ServerReplica) -> int:
    """Bytes that the model occupies on the replica, all its instances together."""
    return demand.memory * replica.instances


def memory_numbers(demand: Demand, replica: ServerReplica) -> dict[str, int | str]:
    """The memory facts that every finding carries once the capabilities are right. Bytes; and, for a
    demand that names resources, of how many of these the replica has too little even when empty."""
    numbers: dict[str, int | str] = {
        "required": required_memory(demand, replica),
        "instances": replica.instances,
        "free": replica.free,
        "capacity": replica.memory_capacity,
        "overcommitPercent": replica.overcommit_percent,
        "used": replica.used,
        "reserved": replica.reserved,
    }
    if demand.resources:
        numbers["undersized"] = undersized(demand.resources, replica.resources)
    return numbers


def undersized(needed: Resources, offered: Resources) -> int:
    """How many of the resources are too small for the need, however little is in use."""
    capacity = dict(offered)
    return sum(amount > capacity.get(name, 0) for name, amount in needed)


def is_capable(numbers: Mapping[str, int | str]) -> bool:
    """True where the replica could have the model once enough is free: all capabilities, and resources
    that are large enough."""
    return "free" in numbers and not numbers.get("undersized")


def lacking(numbers: Mapping[str, int | str]) -> int:
    """How many capabilities, or sizes of resources, a finding's numbers miss; :data:`LACKS_UNKNOWN` where
    it is not about these."""
    return int(numbers.get("lacking", numbers.get("undersized", LACKS_UNKNOWN)))


def needs_and_free(demand: Demand, replica: ServerReplica) -> str:
    """``needs 3Gi (1Gi × 3 instances), free 1Gi``."""
    needs, free = readable_pair(required_memory(demand, replica), replica.free)
    if replica.instances > 1:
        needs += f" ({readable_bytes(demand.memory)} × {replica.instances} instances)"
    return f"needs {needs}, free {free}"


def _memory_sentence(demand: Demand, replica: ServerReplica) -> str:
    capacity = readable_bytes(replica.memory_capacity)
    if replica.overcommit_percent:
        capacity += f" × {(100 + replica.overcommit_percent) / 100:g}"
    return f"{needs_and_free(demand, replica)} of {capacity}, {readable_bytes(replica.reserved)} reserved"
