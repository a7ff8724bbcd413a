"""The cheapest change that would place a model: that it does, that none is missed, and how it is told."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, combinations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory, Server
from placement.placement import Outcome
from placement.policy import REFERENCE, Policy
from placement.why.advice import Advisor
from placement.why.remedy import Remedy, apply, required_by
from tests.placement.builders import GI, demand, entry, executed, free_server, inventory, replica, server
from tests.placement.strategies import demands, inventories

WHOLE = ("Scheduled", "ScaledDown")
QUICK = settings(deadline=None, max_examples=50)
"""Each example asks the engine many times."""
POLICIES = (REFERENCE, Policy("pack", steps=50))


def outcome(wanted: Demand, world: Inventory, policy: Policy = REFERENCE) -> Outcome:
    (assignment,) = place([wanted], world, policy).assignments
    return assignment.outcome


def solves(remedy: Remedy, wanted: Demand, world: Inventory, policy: Policy = REFERENCE) -> bool:
    found = outcome(*apply(remedy, wanted, world), policy)
    return found in WHOLE or (remedy.kind == "LowerMinReplicas" and found == "PartiallyScheduled")


def advise(wanted: Demand, *servers: Server) -> Remedy:
    found = Advisor(inventory(*servers)).remedy(wanted)
    assert found is not None
    return found


@QUICK
@given(inventories(), demands(), st.sampled_from(POLICIES))
def test_a_remedy_helps(world: Inventory, wanted: list[Demand], policy: Policy) -> None:
    """Applied to the whole inventory, under either policy, the engine places the model."""
    advisor = Advisor(world, policy)
    for each in wanted:
        found = advisor.remedy(each)
        assert found is None or solves(found, each, world, policy)


@QUICK
@given(inventories(), demands())
def test_what_needs_no_remedy_gets_none(world: Inventory, wanted: list[Demand]) -> None:
    """A model that is placed as it wants to be."""
    advisor = Advisor(world)
    for each in wanted:
        if outcome(each, world) in WHOLE:
            assert advisor.remedy(each) is None


@QUICK
@given(inventories(), demands())
def test_a_remedy_holds_among_all_others(world: Inventory, wanted: list[Demand]) -> None:
    """Planned with everybody after the plan is done, the model is placed, unless another one that waits
    was helped by the same change first; nobody who is placed stands in the way."""
    after = executed(place(wanted, world), wanted, world)
    before = {(a.namespace, a.model): a for a in place(wanted, after).assignments}
    advisor = Advisor(after)
    for each in wanted:
        found = advisor.remedy(each)
        if found is None or before[each.namespace, each.model].outcome in WHOLE:
            continue
        changed, better = apply(found, each, after)
        again = place([changed if other is each else other for other in wanted], better).assignments
        now = {(a.namespace, a.model): a for a in again}
        rivals = [
            name
            for name, was in before.items()
            if was.outcome not in WHOLE and len(now[name].indices) > len(was.indices)
        ]
        assert rivals or now[each.namespace, each.model].outcome in WHOLE


def every_change(wanted: Demand, world: Inventory) -> Iterator[Remedy]:
    """Changes of every kind, cheapest kind first, amounts large enough for anything."""
    names = [s.name for s in world.servers if s.namespace == wanted.namespace]
    stocked = [s.name for s in world.servers if s.namespace == wanted.namespace and s.replicas]
    if not wanted.recreate:
        yield Remedy("Recreate")
    for name in stocked:
        yield Remedy("MoreReplicas", name, 6)
    if wanted.server is not None and wanted.server not in stocked:
        kind = "ScaleServer" if wanted.server in names else "CreateServer"
        yield Remedy(kind, wanted.server, 6)  # type: ignore[arg-type]  # mypy widens the two literals
    yield from (Remedy("MoreMemory", name, memory=GI) for name in names)
    for resource, _ in wanted.resources:
        yield from (Remedy("MoreResources", name, resource=resource, amount=GI) for name in names)
    needed = required_by(wanted)
    for tags in chain.from_iterable(combinations(needed, size) for size in range(1, len(needed) + 1)):
        yield from (Remedy("AddCapability", name, capabilities=tags) for name in names)
    yield from (Remedy("LowerMinReplicas", replicas=fewer) for fewer in range(1, wanted.replicas))
    if wanted.min_replicas > 0:
        yield from (
            Remedy("FewerReplicas", replicas=fewer) for fewer in range(wanted.min_replicas, wanted.replicas)
        )


@QUICK
@given(inventories(), demands())
def test_the_cheapest_kind_is_found(world: Inventory, wanted: list[Demand]) -> None:
    """Of everything that could be tried, the kind that is told is the first that helps."""
    advisor = Advisor(world)
    for each in wanted:
        if each.replicas == 0 or outcome(each, world) in WHOLE:
            continue
        partial = outcome(each, world) == "PartiallyScheduled"
        tried = (c for c in every_change(each, world) if not (partial and c.kind == "LowerMinReplicas"))
        first = next((change.kind for change in tried if solves(change, each, world)), None)
        found = advisor.remedy(each)
        assert (found.kind if found else None) == first


def running(wanted: Demand, world: Inventory) -> set[str]:
    """Servers of the demand's namespace that are not scaled to 0."""
    return {each.name for each in world.in_namespace(wanted.namespace) if each.expected_replicas != 0}


@QUICK
@given(inventories(), demands())
def test_a_remedy_asks_for_no_more_than_needed(world: Inventory, wanted: list[Demand]) -> None:
    """One replica or one byte less on that server would not do."""
    advisor = Advisor(world)
    for each in wanted:
        found = advisor.remedy(each)
        if found is not None and found.kind == "MoreMemory":
            assert not solves(replace(found, memory=found.memory - 1), each, world)
        # A server that is scaled to 0 counts what still runs there as soon as it is scaled up.
        scaled_up = found is not None and found.server in running(each, world)
        if found is not None and found.kind == "MoreReplicas" and found.replicas > 1 and scaled_up:
            assert not solves(replace(found, replicas=found.replicas - 1), each, world)


@QUICK
@given(inventories(), demands(), st.randoms(use_true_random=False))
def test_remedies_do_not_depend_on_what_was_asked_before(
    world: Inventory, wanted: list[Demand], random: Random
) -> None:
    """An advisor remembers, and still answers as a new one does."""
    advisor = Advisor(world)
    mixed = wanted * 2
    random.shuffle(mixed)
    for each in mixed:
        assert advisor.remedy(each) == Advisor(world).remedy(each)


def test_a_recreated_upgrade_costs_least() -> None:
    """The old version's room is room for the new one, at the price of one line in the manifest."""
    full = server("mlserver", replica(0, 0, entry("iris", "v0", 2 * GI)))
    found = advise(demand("iris", 2 * GI), full)
    assert (found.kind, found.server) == ("Recreate", "")
    assert "would fit with Recreate" in found.message


def test_one_more_replica_comes_before_more_memory() -> None:
    """Scaling disturbs nobody; more memory starts every replica anew."""
    full = server("mlserver", replica(0, 0, entry("wine", memory=2 * GI)))
    found = advise(demand(memory=2 * GI), full)
    assert found.message == "would fit with 1 more replica of server mlserver"


def test_memory_is_asked_for_where_no_replica_is_large_enough() -> None:
    """Of the server that lacks least, in bytes and in words."""
    found = advise(demand(memory=4 * GI), free_server("a", GI), free_server("b", 2 * GI))
    assert (found.kind, found.server, found.memory) == ("MoreMemory", "b", 2 * GI)
    assert found.message == "would fit with 2Gi more memory per replica of server b"


def test_memory_in_words_always_suffices() -> None:
    """2Gi and one byte are told as 2.1Gi, not rounded down."""
    found = advise(demand(memory=2 * GI + 1), free_server("a", 0))
    assert found.memory == 2 * GI + 1
    assert "2.1Gi more memory" in found.message


def test_overcommit_counts() -> None:
    """Of 10 bytes more at 25 percent overcommit, 8 have to be bought."""
    small = server("a", replace(replica(0, 100), memory_capacity=80, overcommit_percent=25))
    assert advise(demand(memory=110), small).memory == 8


def test_exactly_what_lacks_is_asked_for() -> None:
    """Not what the server has already."""
    found = advise(demand(requirements=("sklearn", "gpu", "tpu")), free_server("a", 200))
    assert (found.kind, found.capabilities) == ("AddCapability", ("gpu", "tpu"))
    assert found.message == "would fit if server a had capabilities gpu, tpu"


def test_a_resource_is_asked_for_by_name() -> None:
    """With what is missing per replica."""
    small = server("a", replace(replica(0, 200), resources=(("cpu", 500),)))
    found = advise(replace(demand(), resources=(("cpu", 2000),)), small)
    assert (found.kind, found.resource, found.amount) == ("MoreResources", "cpu", 1500)
    assert found.message == "would fit with 1500m more cpu per replica of server a"


def test_a_model_waits_for_the_server_it_names() -> None:
    """One that does not exist has to be created, one without replicas to be scaled."""
    wanted = demand(pin="central", memory=3 * GI, replicas=2)
    absent, empty = advise(wanted), advise(wanted, server("central"))
    assert (absent.kind, empty.kind) == ("CreateServer", "ScaleServer")
    assert absent.message == (
        "waits for server central, which does not exist: create it with 2 replicas, "
        "each with 3Gi of memory and capability sklearn at least"
    )
    assert "scale it to 2 replicas" in empty.message


def test_fewer_are_offered_last() -> None:
    """Two of three fit and nothing else helps: the model may allow that."""
    mixed = server("a", replica(0, 200), replica(1, 200), replica(2, 200, state="Lost", capabilities=()))
    found = advise(demand(replicas=3), mixed)
    assert (found.kind, found.replicas) == ("LowerMinReplicas", 2)
    assert found.message == "could run with 2 replicas: set minReplicas to 2 in its manifest"


def test_a_partly_placed_model_is_completed() -> None:
    """By a replica more where it is."""
    after = server("a", replica(0, 0, entry("iris", memory=100)))
    found = advise(demand(replicas=2, minimum=1), after)
    assert (found.kind, found.server, found.replicas) == ("MoreReplicas", "a", 1)


def test_a_namespace_without_servers_has_no_remedy() -> None:
    """No single change of what is there helps."""
    assert Advisor(Inventory()).remedy(demand()) is None


def test_a_bounded_advisor_answers_what_it_answered() -> None:
    """Once its searches are used up, equal demands still get their remedy and others none."""
    advisor = Advisor(inventory(free_server("a", GI)), searches=1)
    first = advisor.remedy(demand("iris", 2 * GI))
    assert first is not None
    assert advisor.remedy(demand("wine", 2 * GI)) == first
    assert advisor.remedy(demand("rose", 3 * GI)) is None
