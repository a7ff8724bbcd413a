"""How fast ``place`` decides, beside a plain greedy loop in the same run: ``python -m bench.placement``.

The floor is the reference's order of work in plain Python (a set of capabilities per replica, a sort per
server and model), without sentences, upgrades or pins; on these instances both must decide alike, which
is checked. It is frozen: it is the yardstick, not a second engine. CPU time, best of three.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory, LoadedModel, Server, ServerReplica
from placement.placement import Assignment

GI = 1 << 30
TYPES = (
    ("sklearn", "xgboost", "mlserver"),
    ("sklearn", "xgboost", "lightgbm", "mlflow", "mlserver"),
    ("huggingface", "mlserver", "python"),
    ("onnx", "tensorflow", "triton"),
    ("onnx", "tensorflow", "tensorrt", "dali", "triton"),
)
NEEDS = (
    ("sklearn",), ("xgboost",), ("lightgbm",), ("mlflow",), ("huggingface",), ("python",), ("mlserver",),
    ("onnx",), ("tensorflow",), ("tensorrt",), ("dali", "triton"), ("sklearn", "mlserver"),
)  # fmt: skip
SIZES = ((1_000, 10), (10_000, 100))
FILL = 0.85

Where = dict[str, tuple[str, tuple[int, ...]]]


def instance(models: int, servers: int, seed: int = 1) -> tuple[list[Demand], Inventory]:
    """Demands that ask for ``FILL`` of the capacity of ``servers`` servers with 4–16 replicas each."""
    rng = random.Random(seed)
    made = tuple(
        Server(
            "default",
            f"s{number:05}",
            size,
            tuple(_replica(index, TYPES[number % 5]) for index in range(size)),
        )
        for number, size in ((number, rng.randint(4, 16)) for number in range(servers))
    )
    capacity = sum(len(server.replicas) for server in made) * 16 * GI
    drafts = [(rng.choice(NEEDS), rng.uniform(0.2, 1.8), rng.randint(1, 4)) for _ in range(models)]
    unit = FILL * capacity / sum(size * count for _, size, count in drafts)
    demands = [
        Demand("default", f"m{number:06}", "v1", need, min(int(size * unit), 12 * GI), count)
        for number, (need, size, count) in enumerate(drafts)
    ]
    return demands, Inventory(made)


def _replica(index: int, capabilities: tuple[str, ...]) -> ServerReplica:
    return ServerReplica(index, "Ready", capabilities, 16 * GI, 0)


def plain(demands: Sequence[Demand], inventory: Inventory) -> Where:
    """First fit by name, most free replicas first: sets and sorts, nothing remembered."""
    free = {
        (server.name, replica.index): replica.free
        for server in inventory.servers
        for replica in server.replicas
    }
    offered = {
        server.name: [(replica.index, frozenset(replica.capabilities)) for replica in server.replicas]
        for server in inventory.servers
    }
    where: Where = {}
    for demand in sorted(demands, key=lambda demand: (demand.namespace, demand.model)):
        wanted = set(demand.requirements)
        for server in inventory.servers:
            able = [
                index
                for index, capabilities in offered[server.name]
                if wanted <= capabilities and free[server.name, index] >= demand.memory
            ]
            if len(able) >= demand.replicas:
                able.sort(key=lambda index: (-free[server.name, index], index))
                chosen = able[: demand.replicas]
                for index in chosen:
                    free[server.name, index] -= demand.memory
                where[demand.model] = server.name, tuple(sorted(chosen))
                break
    return where


def served(demands: Sequence[Demand], inventory: Inventory, assignments: Sequence[Assignment]) -> Inventory:
    """The inventory once every assignment is loaded."""
    memory = {demand.model: demand.memory for demand in demands}
    loaded: dict[tuple[str | None, int], list[LoadedModel]] = {}
    for done in assignments:
        for index in done.indices:
            entry = LoadedModel(done.model, done.version, memory[done.model], "Loaded")
            loaded.setdefault((done.server, index), []).append(entry)
    return Inventory(
        tuple(
            replace(
                server,
                replicas=tuple(
                    replace(replica, loaded=tuple(loaded.get((server.name, replica.index), ())))
                    for replica in server.replicas
                ),
            )
            for server in inventory.servers
        )
    )


def best(work: Callable[[], Any], rounds: int = 3) -> float:
    """CPU seconds of the quickest round."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def report(label: str, models: int, ours: float, floor: float | None = None) -> None:
    """One line: models/s of the engine, of the floor, and their ratio."""
    line = f"{label:<46}{models / ours:>11,.0f} models/s {ours * 1000:>8.1f} ms"
    print(line + (f"   floor {models / floor:>9,.0f} models/s   ratio {floor / ours:.2f}" if floor else ""))


def check(models: int, servers: int) -> None:
    """Measure one size from nothing and with everything served; the floor is from nothing for both."""
    demands, inventory = instance(models, servers)
    replicas = sum(len(server.replicas) for server in inventory.servers)
    size = f"{models:,} × {servers:,} ({replicas:,} replicas)"
    placed = place(demands, inventory).assignments
    ours: Where = {done.model: (done.server, done.indices) for done in placed if done.server is not None}
    assert ours == plain(demands, inventory), "the engine and the floor decided differently"
    floor = best(lambda: plain(demands, inventory))
    report(f"{size}, from nothing", models, best(lambda: place(demands, inventory)), floor)
    live = served(demands, inventory, placed)
    report(f"{size}, all served", models, best(lambda: place(demands, live)), floor)


def main() -> None:
    """Print the table."""
    for models, servers in SIZES:
        check(models, servers)
    demands, inventory = instance(10_000, 1_000)
    hopeless = [replace(demand, memory=demand.memory + 17 * GI) for demand in demands]
    report(
        "10,000 × 1,000, none placeable, all explained", 10_000, best(lambda: place(hopeless, inventory), 1)
    )


if __name__ == "__main__":
    main()
