"""Who answers before and after a plan, and who goes unanswered meanwhile. Pure.

The executor loads before it routes and routes before it unloads, so a name whose route always leads somewhere
is answered throughout. Where a route has to be gone for a while (``Recreate``) the pause is bounded by the
runtime's timeouts, as long as nothing else of the plan stands between unload and load.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.planning.plan import Load, Plan, RouteChange
from reconciler.preview.preview import Break, Standing
from runtime.routes import Route, Target
from runtime.state import LiveState

Name = tuple[str, str]
"""Namespace and the name that is asked for."""


@dataclass(frozen=True)
class Timeouts:
    """The runtime's bounds in seconds: for one unload and for one load with all their retries; and how many
    loads of one server replica go on at once."""

    unload: float
    load: float
    loads_at_once: int


NO_TIMEOUTS = Timeouts(0, 0, 0)
"""Of a runtime that is not known: every pause is of unknown length."""


def standing(name: Name, live: LiveState) -> Standing | None:
    """What answers for a model: what its route leads to, else what is loaded of it."""
    namespace, model = name
    numbers = {entry.version: entry.number for entry in live.by_model.get(name, ())}
    target = _routed(name, live.routed.get(name))
    if target is not None:
        return Standing(target.version, numbers.get(target.version, 0), target.replicas)
    versions: dict[str, list[object]] = {}
    loaded = [e for e in live.by_model.get((namespace, model), ()) if e.state in ("Loaded", "Loading")]
    for entry in loaded:
        versions.setdefault(entry.version, []).append(entry)
    if not versions:
        return None
    version = max(sorted(versions), key=lambda each: len(versions[each]))
    replicas = tuple(sorted(entry.replica for entry in loaded if entry.version == version))
    return Standing(version, numbers[version], replicas)


def _routed(name: Name, route: Route | None) -> Target | None:
    targets = [weighted.target for weighted in route.targets] if route is not None else []
    return next((target for target in targets if target.model == name[1]), None)


def break_of(
    name: Name, live: LiveState, plans: Sequence[Plan], timeouts: Timeouts, *, wanted: bool
) -> Break:
    """Whether what answers ``name`` in ``live`` goes on answering while ``plans`` are executed one after the
    other. ``wanted`` says whether something of that name is still wanted afterwards."""
    route = live.routed.get(name)
    if route is None:
        return Break("NotServed", why="nothing answers for it now")
    stages = [stage for plan in plans for stage in _stages(name, plan.routes)]
    if stages and stages[-1] is None:
        if wanted:
            return Break("Stops", why="nothing answers for it any more")
        return Break("Ends", why="it is deleted")
    if None in stages:
        return _pause(name, plans, timeouts)
    if not _answers(route, live):
        return Break("Unknown", why="no replica of it is ready now")
    return Break("None")


def _stages(name: Name, routes: Iterable[RouteChange]) -> list[Route | None]:
    return [
        stage
        for change in routes
        if (change.namespace, change.name) == name
        for stage in (*change.via, change.after)
    ]


def _answers(route: Route, live: LiveState) -> bool:
    """True where some replica that the route leads to is Ready and has the version loaded."""
    ready = {entry.id for entry in live.servers if entry.state == "Ready"}
    return any(
        entry.state == "Loaded" and entry.replica in ready and entry.replica in weighted.target.replicas
        for weighted in route.targets
        for entry in live.by_model.get((route.namespace, weighted.target.model), ())
        if entry.version == weighted.target.version
    )


def _pause(name: Name, plans: Sequence[Plan], timeouts: Timeouts) -> Break:
    """The pause of a model whose old version goes before the new one comes: one unload, then one load. Its
    loads may stand behind others of the same replica, and then nothing bounds it."""
    loads = [load for plan in plans for load in plan.loads]
    own = [load for load in loads if (load.namespace, load.model) == name]
    if not own or not timeouts.load:
        return Break("Unknown", why="its old version is unloaded before the new one is loaded")
    if not all(_waits_for_itself(load) and _starts_at_once(load, loads, timeouts) for load in own):
        return Break("Unknown", why="its new version is loaded after others have made room")
    seconds = round(timeouts.unload + timeouts.load)
    return Break("Bounded", seconds, "its old version is unloaded before the new one is loaded")


def _waits_for_itself(load: Load) -> bool:
    return all((unload.namespace, unload.model) == (load.namespace, load.model) for unload in load.needs)


def _starts_at_once(load: Load, loads: Iterable[Load], timeouts: Timeouts) -> bool:
    return sum(other.replica == load.replica for other in loads) <= timeouts.loads_at_once
