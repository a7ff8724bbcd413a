"""Sentences made by counting are those made by asking everybody."""

from dataclasses import replace

from hypothesis import given, settings

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory
from placement.why.verdicts import describe_partial, server_verdicts, tally
from tests.placement.builders import executed
from tests.placement.strategies import demands, inventories


@settings(max_examples=400, deadline=None)
@given(demands(), inventories())
def test_a_partial_placement_says_what_asking_its_server_would_say(
    wanted: list[Demand], inventory: Inventory
) -> None:
    """The replicas that took nothing of the model are counted as they answer after the plan."""
    wanted = [replace(demand, replicas=4, min_replicas=1) for demand in wanted]
    placement = place(wanted, inventory)
    after = {(s.namespace, s.name): s for s in executed(placement, wanted, inventory, unload=False).servers}
    for done in placement.assignments:
        if done.outcome == "PartiallyScheduled" and done.server is not None:
            demand = next(d for d in wanted if (d.namespace, d.model) == (done.namespace, done.model))
            asked = tally(demand, server_verdicts(demand, after[done.namespace, done.server]))
            assert done.message == describe_partial(demand, done.server, len(done.indices), asked)
