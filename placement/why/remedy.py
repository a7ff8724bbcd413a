"""The smallest thing to change so that a model finds its place: what it is, and what it does to the input.

Kinds, cheapest first; a remedy of a kind is only told where no earlier kind helps:

1. ``Recreate``: one line of the model's manifest. Costs a pause while versions change, nothing else.
2. ``MoreReplicas``, and for a model that names its server ``ScaleServer`` and ``CreateServer``: a number
   in Git; whatever runs goes on running.
3. ``MoreMemory``, then ``MoreResources``: every replica of the server is started anew, and the second
   asks for hardware that is scarcer.
4. ``AddCapability``: another runtime has to be built before anything can be started.
5. ``LowerMinReplicas``, for a partly placed model ``FewerReplicas``: costs nothing at all, and comes last
   because the model gets less than its manifest asks for.

Within a kind: the least amount, then the first server by name. Finding them is
:mod:`placement.why.advice`'s business. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from placement.demand import Demand
from placement.filters import EXPLAINER_CAPABILITY, required_capabilities
from placement.inventory import Inventory, Server, ServerReplica
from placement.quantity import readable_amount

RemedyKind = Literal[
    "Recreate",
    "MoreReplicas",
    "ScaleServer",
    "CreateServer",
    "MoreMemory",
    "MoreResources",
    "AddCapability",
    "LowerMinReplicas",
    "FewerReplicas",
]
_UNITS = ("", "Ki", "Mi", "Gi", "Ti", "Pi")


@dataclass(frozen=True)
class Remedy:
    """One change, and the sentence that tells it. It is about one model and counts on what is free after
    the plan: of two models that wait for the same room the engine's order decides.

    ``replicas`` are how many more of the server's (``MoreReplicas``, ``ScaleServer``, ``CreateServer``) or
    the number to write into the model's manifest; ``memory`` is bytes of capacity more per replica, for a
    server to be scaled or created the bytes that each must have; ``amount`` is thousandths of ``resource``
    more per replica; ``capabilities`` is what the server lacks or must have. What does not apply is 0 or
    empty.
    """

    kind: RemedyKind
    server: str = ""
    replicas: int = 0
    memory: int = 0
    resource: str = ""
    amount: int = 0
    capabilities: tuple[str, ...] = ()
    message: str = ""


def tell(remedy: Remedy) -> Remedy:
    """The remedy with its sentence."""
    return replace(remedy, message=_SENTENCES[remedy.kind](remedy))


def apply(remedy: Remedy, demand: Demand, inventory: Inventory) -> tuple[Demand, Inventory]:
    """Demand and inventory as they are once somebody did what the remedy says."""
    if remedy.kind == "LowerMinReplicas":
        return replace(demand, min_replicas=remedy.replicas), inventory
    if remedy.kind == "FewerReplicas":
        return replace(demand, replicas=remedy.replicas), inventory
    if remedy.kind == "Recreate":
        return replace(demand, recreate=True), without_old_versions(demand, inventory)
    servers = [each for each in inventory.servers if not _is_meant(each, remedy, demand)]
    found = next((each for each in inventory.servers if _is_meant(each, remedy, demand)), None)
    servers.append(changed(remedy, demand, found))
    return demand, Inventory(tuple(sorted(servers, key=lambda each: (each.namespace, each.name))))


def _is_meant(server: Server, remedy: Remedy, demand: Demand) -> bool:
    return (server.namespace, server.name) == (demand.namespace, remedy.server)


def changed(remedy: Remedy, demand: Demand, server: Server | None) -> Server:
    """The remedy's server after the change; None where it does not exist yet."""
    if server is None:
        server = Server(demand.namespace, remedy.server, 0, ())
    if remedy.kind in ("ScaleServer", "CreateServer"):
        return grown(server, required_replica(demand), remedy.replicas)
    if remedy.kind == "MoreReplicas":
        return grown(server, fresh_replica(server), remedy.replicas)
    return replace(server, replicas=tuple(_improved(remedy, each) for each in server.replicas))


def _improved(remedy: Remedy, replica: ServerReplica) -> ServerReplica:
    resources = dict(replica.resources)
    if remedy.resource:
        resources[remedy.resource] = resources.get(remedy.resource, 0) + remedy.amount
    return replace(
        replica,
        memory_capacity=replica.memory_capacity + remedy.memory,
        resources=tuple(sorted(resources.items())),
        capabilities=with_capabilities(replica, remedy.capabilities),
    )


def with_capabilities(replica: ServerReplica, further: tuple[str, ...]) -> tuple[str, ...]:
    """What the replica offers once it offers ``further``, too."""
    return tuple(sorted({*replica.capabilities, *further})) if further else replica.capabilities


def fresh_replica(server: Server) -> ServerReplica | None:
    """One more replica like the server's own, empty. Its own may differ while a change is rolled out; the
    highest index is what a further one is most like. None where there is none to be like."""
    if not server.replicas:
        return None
    last = max(server.replicas, key=lambda replica: replica.index)
    return ServerReplica(
        last.index + 1,
        "Pending",
        last.capabilities,
        last.memory_capacity,
        last.overcommit_percent,
        resources=last.resources,
        instances=last.instances,
    )


def required_replica(demand: Demand) -> ServerReplica:
    """The least replica that can have the model."""
    return ServerReplica(0, "Pending", required_by(demand), demand.memory, 0, resources=demand.resources)


def required_by(demand: Demand) -> tuple[str, ...]:
    """Every capability that the model needs, the explainer runtime among them. Sorted."""
    explainer = (EXPLAINER_CAPABILITY,) if demand.explainer else ()
    return tuple(sorted({*required_capabilities(demand), *explainer}))


def grown(server: Server, replica: ServerReplica | None, count: int) -> Server:
    """The server with ``count`` further replicas like ``replica``."""
    assert replica is not None  # who has none to be like is scaled or created
    first = max((each.index for each in server.replicas), default=-1) + 1
    further = tuple(replace(replica, index=first + place) for place in range(count))
    expected = server.expected_replicas if server.expected_replicas < 0 else len(server.replicas) + count
    return replace(server, expected_replicas=expected, replicas=(*server.replicas, *further))


def without_old_versions(demand: Demand, inventory: Inventory) -> Inventory:
    """The inventory once other versions of the model left it."""

    def remaining(server: Server) -> Server:
        if server.namespace != demand.namespace:
            return server
        replicas = (
            replace(
                replica,
                loaded=tuple(
                    entry
                    for entry in replica.loaded
                    if entry.model != demand.model or entry.version == demand.version
                ),
            )
            for replica in server.replicas
        )
        return replace(server, replicas=tuple(replicas))

    return Inventory(tuple(remaining(server) for server in inventory.servers))


def _count(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"


def _at_least(count: int) -> str:
    """Readable bytes, never less than ``count``: what is written into a manifest must suffice."""
    power = 0
    while 1024 ** (power + 1) <= count and power < len(_UNITS) - 1:
        power += 1
    tenths = -(-count * 10 // 1024**power)
    return f"{tenths // 10}.{tenths % 10}".removesuffix(".0") + _UNITS[power]


def _capabilities(names: tuple[str, ...]) -> str:
    return f"{'capability' if len(names) == 1 else 'capabilities'} {', '.join(names)}"


def _each(remedy: Remedy) -> str:
    parts = [f"{_at_least(remedy.memory)} of memory"] if remedy.memory else []
    parts += [_capabilities(remedy.capabilities)] if remedy.capabilities else []
    parts += [f"{remedy.resource} {readable_amount(remedy.amount)}"] if remedy.resource else []
    return f", each with {' and '.join(parts)} at least" if parts else ""


_SENTENCES: Mapping[RemedyKind, Callable[[Remedy], str]] = {
    "Recreate": lambda _: (
        "would fit with Recreate: annotate the model with moorage.dev/update-strategy: Recreate, "
        "and its old version leaves first"
    ),
    "MoreReplicas": lambda r: (
        f"would fit with {r.replicas} more "
        f"{'replica' if r.replicas == 1 else 'replicas'} of server {r.server}"
    ),
    "ScaleServer": lambda r: (
        f"waits for server {r.server}, which has no replicas: scale it to {_count(r.replicas)}{_each(r)}"
    ),
    "CreateServer": lambda r: (
        f"waits for server {r.server}, which does not exist: create it with {_count(r.replicas)}{_each(r)}"
    ),
    "MoreMemory": lambda r: (
        f"would fit with {_at_least(r.memory)} more memory per replica of server {r.server}"
    ),
    "MoreResources": lambda r: (
        f"would fit with {readable_amount(r.amount)} more {r.resource} per replica of server {r.server}"
    ),
    "AddCapability": lambda r: f"would fit if server {r.server} had {_capabilities(r.capabilities)}",
    "LowerMinReplicas": lambda r: (
        f"could run with {_count(r.replicas)}: set minReplicas to {r.replicas} in its manifest"
    ),
    "FewerReplicas": lambda r: (
        f"would be complete with what is placed: set replicas to {r.replicas} in its manifest"
    ),
}
