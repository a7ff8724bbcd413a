"""How fast the engine decides, beside a plain greedy loop in the same run: ``python -m bench.placement``.

1. plans from nothing and with everything served (``--full``: all sizes, about three minutes)
2. one change at a time to a plan that is kept: time, and replicas of untouched models that moved
3. reasons: for one unplaced model, and for 10,000 that fit nowhere

The floor is the reference's order of work in plain Python (a set of capabilities per replica, a sort per
server and model), without sentences, upgrades or pins; on these instances both must decide alike, which
is checked, as the floor is against the reference's own cases in ``tests/placement/test_floor.py``. It is
frozen: it is the yardstick, not a second engine. CPU time, best of three.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, NamedTuple

from placement.demand import Demand
from placement.engine import place
from placement.incremental import KeptPlacement, ModelKey
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
QUICK = ((1_000, 10), (10_000, 100))
FULL = tuple((models, servers) for servers in (10, 100, 1_000) for models in (1_000, 10_000, 50_000))
FILL = 0.85
FILLS = (0.85, 0.97)
CHANGES = 1_000

Where = dict[str, tuple[str, tuple[int, ...]]]


def instance(models: int, servers: int, seed: int = 1, fill: float = FILL) -> tuple[list[Demand], Inventory]:
    """Demands that ask for ``fill`` of the capacity of ``servers`` servers with 4–16 replicas each."""
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
    unit = fill * capacity / sum(size * count for _, size, count in drafts)
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


def check(models: int, servers: int) -> tuple[float, float]:
    """Measure one size from nothing and with everything served; the floor is from nothing for both.
    Seconds of the engine and of the floor, from nothing."""
    demands, inventory = instance(models, servers)
    placed = place(demands, inventory).assignments
    ours: Where = {done.model: (done.server, done.indices) for done in placed if done.server is not None}
    assert ours == plain(demands, inventory), "the engine and the floor decided differently"
    floor = best(lambda: plain(demands, inventory), 3 if models * servers <= 1_000_000 else 1)
    nothing = best(lambda: place(demands, inventory))
    live = served(demands, inventory, placed)
    settled = best(lambda: place(demands, live))
    size = f"{models:,} × {servers:,} ({_replicas(inventory):,})"
    print(
        f"{size:28}{models / floor:10,.0f}{models / nothing:10,.0f}{nothing * 1000:9.1f} ms"
        f"{floor / nothing:8.2f}{floor / settled:12.2f}",
        flush=True,
    )
    return nothing, floor


def from_nothing(sizes: Sequence[tuple[int, int]]) -> None:
    """Table 1."""
    print("models × servers (replicas)      models/s: floor    engine            ratio   all served")
    seconds = {size: check(*size)[0] for size in sizes}
    if (50_000, 1_000) in seconds:
        growth = seconds[50_000, 1_000] / seconds[10_000, 1_000]
        print(f"50,000 ÷ 10,000 models on 1,000 servers: {growth:.2f}")


def _replicas(inventory: Inventory) -> int:
    return sum(len(server.replicas) for server in inventory.servers)


class Step(NamedTuple):
    """One change of one model."""

    kind: str
    put: tuple[Demand, ...]
    drop: tuple[ModelKey, ...]

    @property
    def touched(self) -> set[str]:
        return {demand.model for demand in self.put} | {model for _, model in self.drop}


def single_changes(demands: Sequence[Demand], count: int, seed: int = 2) -> Iterator[Step]:
    """Models that go, grow by half as a new version, or come; as many of each as chance will have it."""
    rng = random.Random(seed)
    now = list(demands)
    for number in range(count):
        kind, place_of_one = rng.choice(("remove", "grow", "add")), rng.randrange(len(now))
        one = now[place_of_one]
        if kind == "remove":
            now[place_of_one] = now[-1]
            now.pop()
            yield Step(kind, (), ((one.namespace, one.model),))
        elif kind == "grow":
            now[place_of_one] = replace(one, version=f"v{number + 2}", memory=one.memory * 3 // 2)
            yield Step(kind, (now[place_of_one],), ())
        else:
            now.append(replace(one, model=f"n{number:06}", version="v1"))
            yield Step(kind, (now[-1],), ())


Spots = dict[str, set[tuple[str, int]]]


def spots(inventory: Inventory) -> Spots:
    """Where each model is loaded."""
    found: Spots = {}
    for server in inventory.servers:
        for replica in server.replicas:
            for entry in replica.loaded:
                found.setdefault(entry.model, set()).add((server.name, replica.index))
    return found


def moved(before: Spots, after: Spots, touched: set[str]) -> int:
    """Replicas that models which nothing was asked of have no longer."""
    return sum(len(old - after.get(model, set())) for model, old in before.items() if model not in touched)


class Kept(NamedTuple):
    """What a run of changes came to: seconds by kind of change, and replicas that moved for nothing."""

    seconds: dict[str, list[float]]
    moved: int


def keep(kept: KeptPlacement, steps: Sequence[Step], watched: bool) -> Kept:
    """Carry the changes out one by one. ``watched`` compares where everything is after each one, else
    only models that none of them touches are compared, in the end. A model that waits for its new
    version may move once there is room: that was asked for."""
    seconds: dict[str, list[float]] = {"remove": [], "grow": [], "add": []}
    before, lost = spots(kept.inventory()), 0
    asked, waiting = set[str](), set[str]()
    for step in steps:
        start = time.process_time()
        answer = kept.change(put=step.put, drop=step.drop)
        seconds[step.kind].append(time.process_time() - start)
        asked |= step.touched
        if watched:
            after = spots(kept.inventory())
            lost += moved(before, after, step.touched | waiting)
            before = after
            waiting -= {done.model for done in answer}
            waiting |= {done.model for done in answer if done.outcome != "Scheduled"}
    return Kept(seconds, lost if watched else moved(before, spots(kept.inventory()), asked))


def replanned(demands: Sequence[Demand], inventory: Inventory, steps: Sequence[Step]) -> float:
    """Replicas of untouched models that move per change where the floor plans anew."""
    now = {demand.model: demand for demand in demands}
    before, lost = _spots_of(plain(list(now.values()), inventory)), 0
    for step in steps:
        now |= {demand.model: demand for demand in step.put}
        for _, model in step.drop:
            del now[model]
        after = _spots_of(plain(list(now.values()), inventory))
        lost += moved(before, after, step.touched)
        before = after
    return lost / len(steps)


def _spots_of(where: Where) -> Spots:
    return {model: {(server, index) for index in indices} for model, (server, indices) in where.items()}


def incremental(models: int, servers: int, watched: bool) -> None:
    """Table 2."""
    print(f"\n{CHANGES:,} single changes, {models:,} models × {servers:,} servers; µs p50 (p99)")
    print(
        "fill     remove         grow          add    all ÷ full plan  ÷ floor   moved: kept   floor, per change"
    )
    for fill in FILLS:
        demands, inventory = instance(models, servers, fill=fill)
        full, floor = best(lambda: place(demands, inventory)), best(lambda: plain(demands, inventory))  # noqa: B023 (called at once)
        steps = list(single_changes(demands, CHANGES))
        seconds, needless = keep(_from_nothing(demands, inventory), steps, watched=False)
        if watched:  # apart, as looking at everything in between empties the processor's caches
            needless = keep(_from_nothing(demands, inventory), steps, watched=True).moved
        times = [time for kind in seconds.values() for time in kind]
        print(
            f"{fill:4}"
            + "".join(f"{_micros(kind, 50):7.0f} ({_micros(kind, 99):.0f})" for kind in seconds.values())
            + f"{full / median(times):12,.0f}{floor / median(times):12,.0f}"
            + f"{needless:11}{replanned(demands, inventory, steps[:10]):14.0f}",
            flush=True,
        )


def _from_nothing(demands: Sequence[Demand], inventory: Inventory) -> KeptPlacement:
    kept = KeptPlacement(inventory)
    kept.change(put=demands)
    return kept


def _micros(seconds: Sequence[float], percent: int) -> float:
    return sorted(seconds)[len(seconds) * percent // 100] * 1e6


def reasons() -> None:
    """Table 3."""
    demands, inventory = instance(10_000, 1_000)
    hopeless = [replace(demand, memory=demand.memory + 17 * GI) for demand in demands]
    seconds = best(lambda: place(hopeless, inventory), 1)
    print(f"\nnone of 10,000 placeable on 1,000 servers, all explained: {seconds * 1000:.0f} ms", flush=True)
    for servers in (100, 1_000):
        demands, inventory = instance(10_000, servers, fill=0.97)
        kept = _from_nothing(demands, inventory)
        waiting = [(d.namespace, d.model) for d in demands if kept.explain((d.namespace, d.model)).message]
        steps = list(single_changes(demands, 200))
        first, again = [], []
        for number, step in enumerate(steps):
            kept.change(put=step.put, drop=step.drop)
            keys = [key for key in waiting if (key not in step.drop)]
            waiting = keys
            for times, key in zip((first, again), (keys[number % len(keys)], keys[0]), strict=True):
                start = time.process_time()
                kept.explain(key)
                times.append(time.process_time() - start)
        print(
            f"one of {len(waiting)} unplaced models of 10,000 on {servers:,} servers: "
            f"{median(first) * 1e6:.0f} µs after a change, {median(again) * 1e6:.0f} µs for the next one"
        )


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="all sizes, and every change compared")
    full = parser.parse_args(arguments).full
    from_nothing(FULL if full else QUICK)
    incremental(10_000, 100, watched=full)
    reasons()


if __name__ == "__main__":
    main(sys.argv[1:])
