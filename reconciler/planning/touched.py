"""Which resources a plan does something for, beyond writing down what they are to be. Pure.

What is not well and is touched counts as mended: whether that succeeds, execution tells.
"""

from collections.abc import Iterator

from reconciler.planning.plan import Plan
from runtime.state import LiveState
from schemas.resource import ResourceKey, key
from schemas.specs import ExperimentSpec


def touched(made: Plan, live: LiveState) -> frozenset[ResourceKey]:
    """What the plan creates, starts, loads, unloads or routes; models on server replicas that it starts or
    replaces, and experiments of models that are touched."""
    found = set(_directly(made))
    moved = {move.replica for move in made.server_moves}
    found.update(key("Model", e.namespace, e.model) for e in live.models if e.replica in moved)
    for resource in live.manifests.values():
        if isinstance(resource.spec, ExperimentSpec):
            names = [candidate.name for candidate in resource.spec.candidates]
            if any(key("Model", resource.key.namespace, name) in found for name in names):
                found.add(resource.key)
    return frozenset(found)


def _directly(made: Plan) -> Iterator[ResourceKey]:
    yield from (change.key for change in made.changes if change.action == "create")
    for move in made.server_moves:
        yield key("Server", move.replica.namespace, move.replica.server)
    for load in made.loads:
        yield key("Model", load.namespace, load.model)
    for unload in made.unloads:
        yield key("Model", unload.namespace, unload.model)
    for change in made.routes:
        yield key("Model", change.namespace, change.name)
        for route in (change.before, change.after):
            if route is not None and route.experiment is not None:
                yield key("Experiment", change.namespace, route.experiment)
