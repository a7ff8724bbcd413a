"""The one planner: (desired, live, policy) → plan. Pure; previews, the CLI and the controller call it.

Changes belong to one application, placement covers the whole runtime: the models of other
applications are demands too (design decision 1). Executed without faults the next plan is empty
(decision 3): memory that this plan's own unloads free is counted on, and the loads that count on it
say so; only an upgrade never counts on its own old version.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from placement.demand import Demand
from placement.placement import Assignment, Verdict
from placement.policy import REFERENCE
from placement.policy import Policy as PlacementPolicy
from placement.why.advice import Advisor
from placement.why.remedy import Remedy
from placement.why.verdicts import verdicts
from reconciler.desired import Desired
from reconciler.planning.annotated import is_recreated, named_resources, priority
from reconciler.planning.book import ModelName
from reconciler.planning.diff import diff
from reconciler.planning.failures import failures, placed_against
from reconciler.planning.guards import ChangePolicy
from reconciler.planning.moves import Moves, World, plan_moves
from reconciler.planning.plan import PLANNER_VERSION, Change, Load, Plan, RouteChange, effects_digest
from reconciler.planning.projection import ServerPlan, occupation, plan_servers
from reconciler.planning.rounds import waits
from reconciler.planning.routing import routes
from reconciler.planning.same import Same
from reconciler.planning.transition import route_changes
from reconciler.planning.undeclared import undeclared
from reconciler.planning.waves import plan_in_turn
from runtime.state import LiveState
from schemas.codec import digest
from schemas.errors import InputError
from schemas.resource import Resource, ResourceKey, key
from schemas.scaling import effective_scaling
from schemas.specs import ExperimentSpec, ModelSpec, ServerConfigSpec


@dataclass(frozen=True)
class Policy:
    """What planning depends on beside Git and the world. ``server_configs`` are the built-in
    ServerConfigs, used where the namespace declares none of that name; ``listening`` are the namespaces
    that the gateway listens for, None where it listens for all; ``placement`` is one for the whole runtime,
    as placement is; ``rebalance`` is how many served replicas may move for a gain, which no sync asks for."""

    changes: ChangePolicy = field(default_factory=ChangePolicy)
    server_configs: Mapping[str, ServerConfigSpec] = field(default_factory=dict)
    listening: tuple[str, ...] | None = None
    placement: PlacementPolicy = REFERENCE
    rebalance: int = 0


def plan(desired: Desired, live: LiveState, policy: Policy, reason: str = "Sync") -> Plan:
    """The plan that brings ``live`` to ``desired`` under ``policy``; ``reason`` says why it was made."""
    difference = diff(desired, live, policy.changes)

    def effects(changes: tuple[Change, ...]) -> Plan:
        return _effects(changes, live, policy) if changes else _at_rest(live, policy)

    result = replace(
        plan_in_turn(desired, live, policy.changes, difference, effects),
        application=desired.application,
        revision=desired.revision,
        reason=reason,
    )
    return replace(result, digest=effects_digest(result), basis=basis_digest(desired, live, policy))


def _effects(changes: tuple[Change, ...], live: LiveState, policy: Policy) -> Plan:
    """What follows from ``changes``, whoever makes them: a plan of nobody yet."""
    wanted = wanted_resources(changes, live)
    servers = plan_servers(wanted, policy.server_configs, live)
    moves = _moves(changes, wanted, servers, live, policy)
    return Plan(
        application="",
        revision="",
        reason="",
        changes=changes,
        server_moves=servers.moves,
        loads=moves.loads,
        unloads=moves.unloads,
        routes=_route_changes(wanted, moves, live),
        failures=failures(wanted, servers, moves, policy.placement, policy.listening),
        held=(),
        warnings=undeclared(_changed_models(changes), servers.servers),
        capacity=moves.capacity,
        specs=_specs(wanted, moves.loads),
        rebalance=moves.groups,
    )


def _at_rest(live: LiveState, policy: Policy) -> Plan:
    """What follows from no change at all. When the world moves every application is planned, and mostly none
    of them changes anything: then this is the same for all."""
    configs, rest = Same(policy.server_configs), (policy.listening, policy.placement, policy.rebalance)
    return remembered_rest(Same(live), configs, *rest)


@lru_cache(maxsize=1)
def remembered_rest(
    live: Same[LiveState],
    server_configs: Same[Mapping[str, ServerConfigSpec]],
    listening: tuple[str, ...] | None,
    placement: PlacementPolicy,
    rebalance: int,
) -> Plan:
    """What follows from no change, of the live state that was planned against last."""
    policy = Policy(
        server_configs=server_configs.value, listening=listening, placement=placement, rebalance=rebalance
    )
    return _effects((), live.value, policy)


def wanted_resources(changes: Sequence[Change], live: LiveState) -> Mapping[ResourceKey, Resource]:
    """Everything that is to be applied after the permitted changes, of every owner, by key."""
    wanted = dict(live.manifests)
    for change in changes:
        if change.after is None:
            wanted.pop(change.key, None)
        else:
            wanted[change.key] = change.after
    in_order = all(change.key in live.manifests for change in changes)
    return wanted if in_order else dict(sorted(wanted.items()))


def model_demands(wanted: Mapping[ResourceKey, Resource]) -> dict[ModelName, Demand]:
    """The demand of every model by its name, in key order."""
    return {
        (key.namespace, key.name): model_demand(resource)
        for key, resource in wanted.items()
        if isinstance(resource.spec, ModelSpec)
    }


@lru_cache(maxsize=1 << 17)
def model_demand(resource: Resource) -> Demand:
    """What one Model asks of the engine; remembered, because most models are as they were."""
    spec = resource.spec
    assert isinstance(spec, ModelSpec)
    scaling = effective_scaling(spec.replicas, spec.min_replicas, spec.max_replicas)
    extra = (spec.model_type,) if spec.model_type else ()
    return Demand(
        namespace=resource.key.namespace,
        model=resource.key.name,
        version=spec.version,
        requirements=(*spec.requirements, *extra),
        memory=spec.memory or 0,
        replicas=scaling.replicas,
        min_replicas=scaling.min_replicas,
        server=spec.server,
        explainer=spec.explainer is not None,
        priority=priority(resource),
        resources=named_resources(resource),
        recreate=is_recreated(resource),
    )


def basis_digest(desired: Desired, live: LiveState, policy: Policy) -> str:
    """Digest of everything the plan was made from. A plan whose basis changed is remade."""
    return digest(basis_facts(desired, live, policy))


def basis_facts(desired: Desired, live: LiveState, policy: Policy) -> dict[str, str]:
    """The basis by its parts, so that it can be named which of them changed between two plans."""
    return {
        "planner": str(PLANNER_VERSION),
        "application": f"{desired.application}/{desired.namespace}",
        "tree": desired.tree,
        **live.digests,
        "environments": digest(dict(live.environments)),
        "policy": digest(policy),
    }


def _changed_models(changes: Iterable[Change]) -> Iterator[tuple[ResourceKey, Demand]]:
    for change in changes:
        if change.after is not None and isinstance(change.after.spec, ModelSpec):
            yield change.key, model_demand(change.after)


def _moves(
    changes: tuple[Change, ...],
    wanted: Mapping[ResourceKey, Resource],
    servers: ServerPlan,
    live: LiveState,
    policy: Policy,
    examined: ModelName | None = None,
) -> Moves:
    """The moves of a plan. Served models make room only in a plan that does something without that, and
    only where more is placed for it: so a plan that was executed leaves nothing to do, whatever waits."""
    demands = model_demands(wanted)
    world = World(servers.servers, live, occupation(wanted, servers.servers, live))
    if policy.rebalance:
        return plan_moves(demands, world, replace(policy.placement, max_moves=0), rebalance=policy.rebalance)
    still = plan_moves(demands, world, replace(policy.placement, max_moves=0), examined)
    waiting = any(waits(assignment) for _, assignment in still.assignments)
    if not policy.placement.max_moves or not waiting:
        return still
    if not (changes or servers.moves or still.loads or still.unloads) and not _route_changes(
        wanted, still, live
    ):
        return still
    moved = plan_moves(demands, world, policy.placement, examined)
    return moved if _placed(moved) > _placed(still) else still


def _placed(moves: Moves) -> list[int]:
    """How many models are placed, those of the highest priority first."""
    counts = dict.fromkeys(sorted({demand.priority for demand, _ in moves.assignments}, reverse=True), 0)
    for demand, assignment in moves.assignments:
        counts[demand.priority] += assignment.outcome in ("Scheduled", "PartiallyScheduled")
    return list(counts.values())


def _route_changes(
    wanted: Mapping[ResourceKey, Resource], moves: Moves, live: LiveState
) -> tuple[RouteChange, ...]:
    experiments = [resource for resource in wanted.values() if isinstance(resource.spec, ExperimentSpec)]
    after = routes(moves.targets, experiments, live.routes)
    return route_changes(live.routes, after, moves, experiments)


def _specs(wanted: Mapping[ResourceKey, Resource], loads: tuple[Load, ...]) -> dict[str, ModelSpec]:
    specs: dict[str, ModelSpec] = {}
    for load in loads:
        spec = wanted[key("Model", load.namespace, load.model)].spec
        assert isinstance(spec, ModelSpec)
        specs[load.version] = spec
    return specs


@dataclass(frozen=True)
class Explanation:
    """Why a model is where it is: the engine's decision, the verdict on every server it looked at, and what
    would help where it is not all that was wanted."""

    demand: Demand
    assignment: Assignment
    verdicts: tuple[Verdict, ...]
    remedy: Remedy | None = None


def explain(desired: Desired, live: LiveState, policy: Policy, model: ResourceKey) -> Explanation:
    """The engine's decision on ``model`` in the plan of ``desired``, with all its verdicts.

    Raises InputError ``ResourceNotFound``.
    """
    changes = diff(desired, live, policy.changes).changes
    wanted = wanted_resources(changes, live)
    resource = wanted.get(model)
    if resource is None or not isinstance(resource.spec, ModelSpec):
        raise InputError("ResourceNotFound", f"no {model} in Git or applied")
    servers = plan_servers(wanted, policy.server_configs, live)
    moves = _moves(changes, wanted, servers, live, policy, (model.namespace, model.name))
    demand = model_demand(resource)
    assignment = next(a for d, a in moves.assignments if d == demand)
    inventory = placed_against(demand, moves)
    remedy = Advisor(inventory, policy.placement).remedy(demand) if waits(assignment) else None
    return Explanation(demand, assignment, verdicts(demand, inventory), remedy)
