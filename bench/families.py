"""Instances on which packing is hard in different ways, as ``placement-anchors`` families F1–F4.

F1  one kind of server, one replica each model, demand 115 % of what there is
F2  scarce capabilities: ``a100`` servers do what ``gpu`` servers do, these what ``cpu`` servers do;
    each capability is asked for to 100 % of its own servers
F3  1–6 replicas with ``minReplicas``, demand 115 %
F4  a perfect packing, cut out of full servers: everything fits, and nothing is left over

Each is drawn from a seed. At ``load`` percent the same kind of demand is drawn for so much of the
capacity (F4: as many of its models as come first in a shuffled list).
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from placement.demand import Demand
from placement.inventory import Inventory, Server, ServerReplica

MI = 1 << 20
CAPACITY = 16 * 1024
TIERS = (("cpu",), ("cpu", "gpu"), ("a100", "cpu", "gpu"))


class Instance(NamedTuple):
    """Demands, servers, and how many models can be placed at most where that is known."""

    family: str
    demands: list[Demand]
    inventory: Inventory
    optimum: int | None = None


def f1(models: int, rng: random.Random, load: float = 1.15) -> Instance:
    """One type, single replica."""
    sizes = [_size(rng) for _ in range(models)]
    servers = _servers(rng, max(1, round(sum(sizes) / load / CAPACITY)), ("cpu",), "s")
    return Instance("F1", [_demand(n, size) for n, size in enumerate(sizes)], Inventory(tuple(servers)))


def f2(models: int, rng: random.Random, load: float = 1.0) -> Instance:
    """Nested capabilities, each asked for to ``load`` of the servers that have it as their best."""
    demands: list[Demand] = []
    servers: list[Server] = []
    for tier, share in zip(TIERS, (0.5, 0.3, 0.2), strict=True):
        best = next(name for name in ("a100", "gpu", "cpu") if name in tier)
        sizes = [_size(rng) for _ in range(max(1, round(models * share)))]
        servers += _servers(rng, max(1, round(sum(sizes) / load / CAPACITY)), tier, best)
        demands += [_demand(len(demands) + n, size, needs=(best,)) for n, size in enumerate(sizes)]
    return Instance("F2", demands, Inventory(tuple(sorted(servers, key=lambda server: server.name))))


def f3(models: int, rng: random.Random, load: float = 1.15) -> Instance:
    """1–6 replicas, of which at least half have to be there."""
    drafts = [(_size(rng), rng.randint(1, 6)) for _ in range(models)]
    total = sum(size * count for size, count in drafts)
    servers = _servers(rng, max(6, round(total / load / CAPACITY)), ("cpu",), "s", least=6)
    demands = [
        _demand(n, size, count, minimum=rng.randint(1, count)) for n, (size, count) in enumerate(drafts)
    ]
    return Instance("F3", demands, Inventory(tuple(servers)))


def f4(models: int, rng: random.Random, load: float = 1.0) -> Instance:
    """Servers cut completely into models: a cut divides either the replicas or their memory."""
    servers: list[Server] = []
    blocks: list[tuple[int, int]] = []
    while len(blocks) < models:
        servers.append(_server(f"s{len(servers):05}", rng.randint(4, 8), ("cpu",)))
        blocks += _cut(len(servers[-1].replicas), CAPACITY, rng)
    rng.shuffle(blocks)
    demands = [_demand(n, size, count) for n, (count, size) in enumerate(blocks)]
    if load < 1:
        rest = load * sum(size * count for count, size in blocks)
        kept = []
        for demand, (count, size) in zip(demands, blocks, strict=True):
            if size * count <= rest:
                rest -= size * count
                kept.append(demand)
        demands = kept
    return Instance("F4", demands, Inventory(tuple(servers)), len(demands))


FAMILIES: dict[str, Callable[..., Instance]] = {"F1": f1, "F2": f2, "F3": f3, "F4": f4}


def _cut(replicas: int, memory: int, rng: random.Random) -> list[tuple[int, int]]:
    if memory <= CAPACITY // 8 or (replicas <= 3 and memory <= CAPACITY // 2 and rng.random() < 0.5):
        return [(replicas, memory)]
    if replicas > 1 and rng.random() < 0.6:
        left = rng.randint(1, replicas - 1)
        return _cut(left, memory, rng) + _cut(replicas - left, memory, rng)
    low = rng.randint(memory // 5, memory // 2)
    return _cut(replicas, low, rng) + _cut(replicas, memory - low, rng)


def _size(rng: random.Random) -> int:
    """Mi: uniform from 1/16 to 9/16 of a replica."""
    return rng.randint(CAPACITY // 16, CAPACITY * 9 // 16)


def _demand(
    number: int, size: int, replicas: int = 1, minimum: int = 0, needs: Sequence[str] = ("cpu",)
) -> Demand:
    return Demand("default", f"m{number:06}", "v1", tuple(needs), size * MI, replicas, minimum)


def _servers(
    rng: random.Random, replicas: int, offers: tuple[str, ...], prefix: str, least: int = 1, most: int = 16
) -> list[Server]:
    """So many replicas altogether, on servers of 4–16 (the last one may have fewer, down to ``least``)."""
    sizes: list[int] = []
    while (rest := replicas - sum(sizes)) > 0:
        size = rng.randint(max(4, least), most)
        sizes.append(rest if rest < size + least else size)
    return [_server(f"{prefix}{number:05}", size, offers) for number, size in enumerate(sizes)]


def _server(name: str, size: int, offers: tuple[str, ...]) -> Server:
    replicas = (ServerReplica(index, "Ready", offers, CAPACITY * MI, 0) for index in range(size))
    return Server("default", name, size, tuple(replicas))
