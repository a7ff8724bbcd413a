"""Which routes the gateway shall have: a model's own, and what experiments make of them.

Pure. Sources: the reference's experiment rules (candidates share by weight ÷ sum; ``default`` takes
over that model's endpoint; every experiment also answers as ``<name>.experiment``; the mirror's
answers are dropped). Unlike the reference a candidate that nobody serves leaves the others serving,
unless the annotation ``moorage.dev/experiment: strict`` asks for its rule.
"""

from collections.abc import Iterable, Mapping

from runtime.routes import MirrorTarget, Route, Target, WeightedTarget
from schemas.resource import Resource
from schemas.specs import ExperimentSpec

STRICT_ANNOTATION = "moorage.dev/experiment"

ModelName = tuple[str, str]


def routes(
    targets: Mapping[ModelName, Target], experiments: Iterable[Resource], known: Iterable[Route] = ()
) -> tuple[Route, ...]:
    """All routes, by (namespace, name). ``targets`` says what serves each (namespace, model).

    A route that is in ``known`` is given back as it is there, so that asking what changed is cheap.
    """
    plain = {(r.namespace, r.name): r for r in known if r.experiment is None}
    table = {name: _plain(name, target, plain.get(name)) for name, target in targets.items()}
    shaped: set[ModelName] = set()
    for resource in sorted(
        (r for r in experiments if isinstance(r.spec, ExperimentSpec)), key=lambda r: r.key
    ):
        for route in _experiment_routes(resource, targets):
            name = (route.namespace, route.name)
            if name not in shaped:
                table[name] = route
                shaped.add(name)
    return tuple(table[name] for name in sorted(table))


def _plain(name: ModelName, target: Target, known: Route | None) -> Route:
    if known is not None:
        at = known.targets[0].target
        if at is target or at == target:
            return known
    return Route(name[0], name[1], (WeightedTarget(target, 100),))


def _experiment_routes(resource: Resource, targets: Mapping[ModelName, Target]) -> list[Route]:
    spec = resource.spec
    if not isinstance(spec, ExperimentSpec) or spec.resource_type == "pipeline":
        return []
    namespace, name = resource.key.namespace, resource.key.name
    members = tuple(
        WeightedTarget(targets[namespace, candidate.name], candidate.weight)
        for candidate in sorted(spec.candidates, key=lambda c: c.name)
        if (namespace, candidate.name) in targets and candidate.weight > 0
    )
    mirror = None
    if spec.mirror is not None and (namespace, spec.mirror.name) in targets:
        mirror = MirrorTarget(targets[namespace, spec.mirror.name], spec.mirror.percent)
    strict = resource.annotations.get(STRICT_ANNOTATION) == "strict"
    complete = len(members) == sum(c.weight > 0 for c in spec.candidates) and (
        mirror is not None or spec.mirror is None
    )
    if not members or (strict and not complete):
        return []
    names = [f"{name}.experiment", *([spec.default] if spec.default else [])]
    return [Route(namespace, route_name, members, mirror, name, strict, spec.default) for route_name in names]
