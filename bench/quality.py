"""How well policy ``pack`` packs: ``python -m bench quality``, in full ``python -m bench.quality --full``.

Three tables on the families of :mod:`bench.families`, fresh seeds, ``reference`` beside it:

1. 20–200 models: models placed ÷ the best of (pack, CP-SAT), where CP-SAT is given its time
2. 10,000 models: models placed ÷ the bound (F4: all of them; else models as liquids, a linear program
   over servers of equal capabilities), replicas placed ÷ the same bound for replicas
3. at 75 % demand, 20–200 models: server replicas used ÷ L2 (Martello and Toth), the largest over sets
   of models that share servers; only what could be placed completely counts

CPU time is told as a multiple of ``reference`` on the same instance in the same run. OR-tools judges; it
is no dependency of Moorage, and without it tables 1 and 2 are left out.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from bench.families import CAPACITY, FAMILIES, MI, Instance
from placement.demand import Demand
from placement.engine import place
from placement.inventory import Server
from placement.policy import PACK, REFERENCE, Policy

SMALL = (20, 50, 100, 200)
LARGE = 10_000
LARGE_STEPS = 20_000
LOAD = 0.75


class Outcome(NamedTuple):
    """What a policy made of an instance; ``seconds`` of CPU."""

    models: int
    replicas: int
    used: int
    seconds: float


class Consolidation(NamedTuple):
    """Replicas wanted, the least number of server replicas, and what ``reference`` and ``pack`` did."""

    wanted: int
    bound: int
    outcomes: tuple[Outcome, Outcome]


def measure(instance: Instance, policy: Policy) -> Outcome:
    start = time.process_time()
    assignments = place(instance.demands, instance.inventory, policy).assignments
    seconds = time.process_time() - start
    spots = [(done.server, index) for done in assignments for index in done.indices]
    return Outcome(sum(done.server is not None for done in assignments), len(spots), len(set(spots)), seconds)


def instances(sizes: Iterable[int], seeds: Sequence[int], load: float | None = None) -> Iterator[Instance]:
    for make in FAMILIES.values():
        for size in sizes:
            for seed in seeds:
                rng = random.Random(f"{size} {seed}")
                yield make(size, rng) if load is None else make(size, rng, load=load)


def able(demand: Demand, servers: Sequence[Server]) -> list[Server]:
    """Servers with the capabilities and enough replicas."""
    needs = set(demand.requirements)
    return [
        server
        for server in servers
        if len(server.replicas) >= least(demand) and needs <= server.replicas[0].capability_set
    ]


def least(demand: Demand) -> int:
    return demand.min_replicas or demand.replicas


def judge(instance: Instance, seconds: float) -> int:
    """Models that CP-SAT places in its time."""
    from ortools.sat.python import cp_model

    model, placed = cp_model.CpModel(), []
    load: dict[tuple[str, int], list[Any]] = {}
    for demand in instance.demands:
        here = []
        for server in able(demand, instance.inventory.servers):
            chosen = model.new_bool_var("")
            taken = [model.new_bool_var("") for _ in server.replicas]
            model.add(sum(taken) == least(demand) * chosen)
            for index, variable in enumerate(taken):
                load.setdefault((server.name, index), []).append(demand.memory // MI * variable)
            here.append(chosen)
        model.add_at_most_one(here)
        placed += here
    for amounts in load.values():
        model.add(sum(amounts) <= CAPACITY)
    model.maximize(sum(placed))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 2
    solver.solve(model)
    return round(solver.objective_value)


def liquid_bound(instance: Instance, replicas: bool) -> int:
    """No packing places more models (or replicas) than fit as liquids into servers of equal capabilities."""
    from ortools.linear_solver import pywraplp

    solver = pywraplp.Solver.CreateSolver("GLOP")
    tiers: dict[frozenset[str], int] = {}
    for server in instance.inventory.servers:
        offers = server.replicas[0].capability_set
        tiers[offers] = tiers.get(offers, 0) + len(server.replicas) * CAPACITY
    volumes: dict[frozenset[str], list[Any]] = {}
    goal = []
    for demand in instance.demands:
        most = demand.replicas if replicas else 1
        amount = solver.NumVar(0, most, "")
        size = demand.memory // MI * (1 if replicas else least(demand))
        volumes.setdefault(frozenset(demand.requirements), []).append(amount * size)
        goal.append(amount)
    poured: dict[frozenset[str], list[Any]] = {offers: [] for offers in tiers}
    for needs, parts in volumes.items():
        flows = {offers: solver.NumVar(0, solver.infinity(), "") for offers in tiers if needs <= offers}
        solver.Add(solver.Sum(parts) <= solver.Sum(list(flows.values())))
        for offers, flow in flows.items():
            poured[offers].append(flow)
    for offers, flows_in in poured.items():
        solver.Add(solver.Sum(flows_in) <= tiers[offers])
    solver.Maximize(solver.Sum(goal))
    solver.Solve()
    return int(solver.Objective().Value() + 1e-6)


def fewest(instance: Instance) -> int:
    """No packing of everything uses fewer server replicas: L2 of models that share the same servers."""
    open_to = {
        demand: frozenset(server.name for server in able(demand, instance.inventory.servers))
        for demand in instance.demands
    }
    sizes = (
        [d.memory // MI for d, names in open_to.items() if names <= group for _ in range(d.replicas)]
        for group in set(open_to.values())
    )
    return max(map(_l2, sizes), default=0)


def _l2(sizes: Sequence[int]) -> int:
    best = 0
    for small in {0, *(size for size in sizes if size * 2 <= CAPACITY)}:
        alone = [size for size in sizes if size > CAPACITY - small]
        large = [size for size in sizes if CAPACITY < 2 * size <= 2 * (CAPACITY - small)]
        rest = sum(size for size in sizes if small <= size and 2 * size <= CAPACITY)
        spill = rest - sum(CAPACITY - size for size in large)
        best = max(best, len(alone) + len(large) + max(0, -(-spill // CAPACITY)))
    return best


def judged(seeds: Sequence[int], seconds: float) -> None:
    """Table 1."""
    print(f"models placed ÷ best of (pack, CP-SAT {seconds:g} s), {len(seeds)} seed(s), n = {SMALL}")
    print("family   reference    pack  CP-SAT   worst   CPU pack ÷ reference")
    rows: dict[str, list[tuple[Outcome, Outcome, int]]] = {}
    for instance in instances(SMALL, seeds):
        row = measure(instance, REFERENCE), measure(instance, PACK), judge(instance, seconds)
        rows.setdefault(instance.family, []).append(row)
    rows["all"] = [row for family in rows.values() for row in family]
    for family, found in rows.items():
        best = sum(max(ours.models, cpsat) for _, ours, cpsat in found)
        shares = [
            sum(row[0].models for row in found),
            sum(row[1].models for row in found),
            sum(r[2] for r in found),
        ]
        worst = min(ours.models - cpsat for _, ours, cpsat in found)
        slower = sum(ours.seconds for _, ours, _ in found) / sum(plain.seconds for plain, _, _ in found)
        print(
            f"{family:6}" + "".join(f"{share / best:9.4f}" for share in shares) + f"{worst:8d}{slower:12.0f}×"
        )


def bounded() -> None:
    """Table 2."""
    print(f"\n{LARGE:,} models, {LARGE_STEPS:,} steps: placed ÷ bound")
    print("family  reference    pack   replicas: reference    pack   CPU pack ÷ reference")
    for instance in instances((LARGE,), (11,)):
        plain, ours = measure(instance, REFERENCE), measure(instance, Policy("pack", LARGE_STEPS))
        models = instance.optimum or liquid_bound(instance, replicas=False)
        replicas = liquid_bound(instance, replicas=True)
        print(
            f"{instance.family:6}{plain.models / models:11.4f}{ours.models / models:8.4f}"
            f"{plain.replicas / replicas:21.4f}{ours.replicas / replicas:8.4f}"
            f"{ours.seconds / plain.seconds:12.1f}×"
        )


def consolidated(seeds: Sequence[int]) -> None:
    """Table 3."""
    print(f"\n{LOAD:.0%} demand, n = {SMALL}: server replicas used ÷ L2")
    print("family  instances   reference (placed all)    pack (placed all)")
    rows: dict[str, list[Consolidation]] = {}
    for instance in instances(SMALL, seeds, LOAD):
        wanted = sum(demand.replicas for demand in instance.demands)
        outcomes = measure(instance, REFERENCE), measure(instance, PACK)
        rows.setdefault(instance.family, []).append(Consolidation(wanted, fewest(instance), outcomes))
    rows["all"] = [row for family in rows.values() for row in family]
    for family, found in rows.items():
        line = f"{family:6}{len(found):10}"
        for policy in (0, 1):
            whole = [row for row in found if row.outcomes[policy].replicas == row.wanted]
            used = sum(row.outcomes[policy].used for row in whole)
            line += f"{used / max(1, sum(row.bound for row in whole)):14.4f} ({len(whole):3})"
        print(line)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="three seeds, CP-SAT 15 s each (15 minutes)")
    full = parser.parse_args(arguments).full
    seeds = (11, 12, 13) if full else (11,)
    try:
        import ortools  # noqa: F401 (asked for here, so that its absence is told once)
    except ImportError:
        print("OR-tools is not installed (dependency group bench): tables 1 and 2 are left out")
    else:
        judged(seeds, 15 if full else 6)
        bounded()
    consolidated(seeds)


if __name__ == "__main__":
    main(sys.argv[1:])
