"""What a plan cannot bring where its manifest wants it, why, and what would help. Pure.

Models, and what is made of them: pipelines and experiments. Servers fail where they are planned
(:mod:`reconciler.planning.projection`).
"""

from collections.abc import Iterator, Mapping

from placement.demand import Demand
from placement.inventory import Inventory
from placement.policy import Policy
from placement.why.advice import Advisor
from placement.why.remedy import Remedy, without_old_versions
from reconciler.planning.moves import Moves
from reconciler.planning.plan import Failure
from reconciler.planning.projection import ServerPlan
from reconciler.planning.rounds import waits
from runtime.routes import Target
from schemas.resource import Resource, ResourceKey, key
from schemas.specs import ExperimentSpec, ModelSpec, PipelineSpec

MOST_REMEDIES = 2_000
"""Searches for remedies in one plan, of up to a millisecond each; ``explain`` answers for the rest."""
MOST_ALONE = 16
"""Models of Recreate that are advised in one plan: each needs a look at all servers of its own."""


def failures(
    wanted: Mapping[ResourceKey, Resource],
    servers: ServerPlan,
    moves: Moves,
    policy: Policy,
    listening: tuple[str, ...] | None,
) -> tuple[Failure, ...]:
    """One per resource: what keeps a model from running comes before what keeps it from being asked.

    ``listening`` are the namespaces that the gateway listens for, None where it listens for all."""
    found = {failure.key: failure for failure in (*servers.failures, *_model_failures(moves, policy))}
    for resource in wanted.values():
        served_alone = isinstance(resource.spec, ModelSpec)
        failure = None if served_alone else _composite_failure(resource, moves.targets)
        failure = failure or _listener_failure(resource, listening)
        if failure is not None:
            found.setdefault(failure.key, failure)
    return tuple(found[key_] for key_ in sorted(found))


def _listener_failure(resource: Resource, listening: tuple[str, ...] | None) -> Failure | None:
    namespace = resource.key.namespace
    if (
        listening is None
        or namespace in listening
        or not isinstance(resource.spec, ModelSpec | ExperimentSpec)
    ):
        return None
    message = f"the gateway has no port for namespace {namespace}: name one under gateway.listeners"
    return Failure(resource.key, "NamespaceNotServed", message)


def _model_failures(moves: Moves, policy: Policy) -> Iterator[Failure]:
    advisor, alone = Advisor(moves.inventory, policy, MOST_REMEDIES), MOST_ALONE
    for demand, assignment in moves.assignments:
        if waits(assignment):
            alone -= demand.recreate
            yield Failure(
                key("Model", demand.namespace, demand.model),
                assignment.outcome,
                assignment.message,
                demand.replicas,
                len(assignment.indices),
                _remedy(demand, moves, policy, advisor) if alone >= 0 or not demand.recreate else None,
            )


def _remedy(demand: Demand, moves: Moves, policy: Policy, advisor: Advisor) -> Remedy | None:
    """A model of Recreate is helped where it would find its place once its old version is gone."""
    if demand.recreate:
        advisor = Advisor(placed_against(demand, moves), policy)
    return advisor.remedy(demand)


def placed_against(demand: Demand, moves: Moves) -> Inventory:
    """What the model was placed against."""
    return without_old_versions(demand, moves.inventory) if demand.recreate else moves.inventory


def _composite_failure(resource: Resource, targets: Mapping[tuple[str, str], Target]) -> Failure | None:
    """Why a pipeline or an experiment cannot be what its manifest says, or None."""
    spec = resource.spec
    if isinstance(spec, PipelineSpec) or (
        isinstance(spec, ExperimentSpec) and spec.resource_type == "pipeline"
    ):
        return Failure(resource.key, "NoDataflowEngine", "this runtime has no dataflow engine for pipelines")
    if not isinstance(spec, ExperimentSpec):
        return None
    members = {c.name for c in spec.candidates} | ({spec.mirror.name} if spec.mirror else set())
    missing = sorted(name for name in members if (resource.key.namespace, name) not in targets)
    if not missing:
        return None
    message = f"not served: {', '.join(missing)}"
    placed = len(members) - len(missing)
    return Failure(resource.key, "CandidatesNotReady", message, len(members), placed)
