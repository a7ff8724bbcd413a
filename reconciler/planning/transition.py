"""How routes get from what they are to what they shall be, step by step where they have to. Pure.

Mostly at once. A route has to let go of a version early where a load of the same plan waits for that
unload: the load may be of another member of the same route, or of a model that others wait for in
turn. Then the route goes by way of what stands at that time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from placement.inventory import ReplicaId
from reconciler.planning.book import ModelName
from reconciler.planning.moves import Moves, Timeline
from reconciler.planning.plan import RouteChange
from reconciler.planning.routing import routes
from runtime.routes import Route, Target
from schemas.resource import Resource

Member = tuple[str, str, str, ReplicaId]
"""(namespace, model, version digest, server replica)."""

Table = Mapping[ModelName, Route]


def members(route: Route | None) -> set[Member]:
    """Every version on every server replica that a route leads to, the mirror's too."""
    if route is None:
        return set()
    targets = [weighted.target for weighted in route.targets]
    if route.mirror is not None:
        targets.append(route.mirror.target)
    return {(route.namespace, t.model, t.version, replica) for t in targets for replica in t.replicas}


def route_changes(
    before: Sequence[Route],
    after: Sequence[Route],
    moves: Moves,
    experiments: Sequence[Resource],
) -> tuple[RouteChange, ...]:
    """The routes that change, by (namespace, name), between ``before`` and ``after``."""
    was = {(route.namespace, route.name): route for route in before}
    shall = {(route.namespace, route.name): route for route in after}
    counted = {unload for load in moves.loads for unload in load.needs}
    rounds = sorted({unload.round for unload in counted})
    leaving = {(u.namespace, u.model, u.version, u.replica) for u in counted}
    standing = _standing(before, moves.targets) if rounds else {}
    tables = [_table(number, standing, moves.timeline, experiments, before) for number in rounds]
    differing = (name for name in was.keys() | shall.keys() if was.get(name) is not shall.get(name))
    changes = (
        RouteChange(*name, was.get(name), shall.get(name), _via(name, was, shall, tables, leaving))
        for name in sorted(differing)
    )
    return tuple(change for change in changes if change.before != change.after or change.via)


def _standing(before: Iterable[Route], wanted: Mapping[ModelName, Target]) -> dict[ModelName, Target]:
    """What answers now for each model that goes on answering."""
    return {
        (route.namespace, weighted.target.model): weighted.target
        for route in before
        for weighted in route.targets
        if (route.namespace, weighted.target.model) in wanted
    }


def _table(
    number: int,
    standing: Mapping[ModelName, Target],
    timeline: Timeline,
    experiments: Sequence[Resource],
    before: Sequence[Route],
) -> Table:
    """All routes as they could be once round ``number`` is done."""
    targets: dict[ModelName, Target | None] = dict(standing)
    for name, stages in timeline.items():
        targets.update((name, target) for since, target in stages if since <= number)
    answering = {name: target for name, target in targets.items() if target is not None}
    return {(route.namespace, route.name): route for route in routes(answering, experiments, before)}


def _via(
    name: ModelName, was: Table, shall: Table, tables: Iterable[Table], leaving: set[Member]
) -> tuple[Route | None, ...]:
    stages = list(_stages(name, was.get(name), tables, leaving))
    if stages and stages[-1] == shall.get(name):
        stages.pop()
    return tuple(stages)


def _stages(
    name: ModelName, route: Route | None, tables: Iterable[Table], leaving: set[Member]
) -> Iterator[Route | None]:
    for table in tables:
        following = table.get(name)
        if leaving & (members(route) - members(following)):
            route = following
            yield route
