"""Where each model version shall run: one entry point, two strategies behind it.

:mod:`placement.reference` decides what Seldon Core 2 decides, :mod:`placement.packing.pack` packs densely.
Whoever decides, sentences are written when all is decided, from the same census, so they tell what is
free after the plan. Pure: a caller that wants to credit memory takes it out of the inventory first.
"""

from collections.abc import Sequence

from placement.demand import Demand
from placement.inventory import Inventory
from placement.ledger import Ledger
from placement.packing.pack import pack
from placement.placement import Assignment, Placement
from placement.policy import REFERENCE, Policy
from placement.reference import Decision, decide, in_order
from placement.why.census import Census


def place(demands: Sequence[Demand], inventory: Inventory, policy: Policy = REFERENCE) -> Placement:
    """Decide for every demand; one demand per model version.

    The answer depends on what the inputs say, not on their order, and neither is changed.
    """
    ledger = Ledger(inventory)
    decisions = [decide(demand, ledger) for demand in in_order(demands, ledger)]
    if policy.name == "pack":
        decisions = pack(decisions, ledger, policy)
    census = Census(ledger)
    return Placement(tuple(conclude(decision, census) for decision in decisions))


def conclude(decision: Decision, census: Census) -> Assignment:
    """The decision as it is told: names and indices, and why where it is not all that was wanted."""
    demand, server = decision.demand, decision.server
    indices = tuple(server.replicas[position].index for position in decision.positions) if server else ()
    name = server.name if server else None
    message = _message(decision, census)
    return Assignment(
        demand.namespace, demand.model, demand.version, name, indices, decision.outcome, message
    )


def _message(decision: Decision, census: Census) -> str:
    if decision.outcome == "Scheduled":
        return ""
    if decision.outcome == "ScaledDown":
        return "0 replicas wanted"
    if decision.server is None:
        return census.explain(decision.demand)
    return census.explain_partial(decision.demand, decision.server, decision.positions)
