"""What manifests leave unsaid that placement would need to know: told once, by the plan that applies them.

Pure. Nothing is refused for it: the reference counts what is not declared as 0, and so does the engine.
"""

from collections.abc import Iterable, Iterator, Sequence

from placement.demand import Demand
from placement.filters import EXPLAINER_CAPABILITY, required_capabilities
from placement.inventory import Server
from reconciler.planning.plan import PlanWarning
from schemas.resource import ResourceKey

_SHOWN = 4
"""Names in one sentence; the rest is counted."""


def undeclared(
    demands: Iterable[tuple[ResourceKey, Demand]], servers: Sequence[Server]
) -> tuple[PlanWarning, ...]:
    """The warnings about these models, by key and reason."""
    found = [warning for key, demand in demands for warning in _warnings(key, demand, servers)]
    return tuple(sorted(found, key=lambda warning: (warning.key, warning.reason)))


def _warnings(key: ResourceKey, demand: Demand, servers: Sequence[Server]) -> Iterator[PlanWarning]:
    if not demand.memory:
        message = "no spec.memory: it counts as 0 and fits anywhere, however full a server is"
        yield PlanWarning(key, "UndeclaredMemory", message)
    offered = {name for server in servers for name in _offered(demand, server)}
    missing = sorted(offered - dict(demand.resources).keys())
    if missing:
        message = (
            f"servers that could take it have {_listed(missing)}, and it names none of it: counted as 0; "
            "say in the annotation moorage.dev/resources what it takes"
        )
        yield PlanWarning(key, "UndeclaredResource", message)


def _offered(demand: Demand, server: Server) -> Iterator[str]:
    """What replicas have that could take the model if they had room."""
    if demand.namespace != server.namespace or demand.server not in (None, server.name):
        return
    needed = {*required_capabilities(demand), *([EXPLAINER_CAPABILITY] if demand.explainer else [])}
    for replica in server.replicas:
        if replica.capability_set >= needed:
            yield from (name for name, _ in replica.resources)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
