"""Two plans of one application told apart: what only one of them does. Pure.

For people who saw one and are about to get the other. What their digests cover is compared; wording and
places are not.
"""

from collections.abc import Iterator

from reconciler.planning.plan import Plan
from runtime.routes import Route

MOST = 50
"""Lines that are told; the rest is counted."""
_DIGEST = 12
"""Characters of a version."""


def differences(shown: Plan, now: Plan) -> tuple[str, ...]:
    """Lines of what ``now`` does not do any more (``-``) and does beside (``+``) what ``shown`` does; sorted by
    what they are about, at most :data:`MOST`."""
    before, after = set(_effects(shown)), set(_effects(now))
    lines = sorted(
        [*(("-", line) for line in before - after), *(("+", line) for line in after - before)], key=_order
    )
    told = [f"{sign} {line}" for sign, line in lines[:MOST]]
    more = len(lines) - len(told)
    return (*told, f"and {more} more") if more else tuple(told)


def _order(line: tuple[str, str]) -> tuple[str, bool]:
    """What goes comes before what comes of the same thing."""
    return line[1], line[0] == "+"


def _effects(plan: Plan) -> Iterator[str]:
    for change in plan.changes:
        digest = f" to {change.after.digest[:_DIGEST]}" if change.after is not None else ""
        yield f"{change.key}: {change.action}{digest}"
    for move in plan.server_moves:
        yield f"server replica {move.replica}: {move.action}"
    for load in plan.loads:
        yield f"model {load.namespace}/{load.model}@{load.version[:_DIGEST]}: load on {load.replica}"
    for unload in plan.unloads:
        yield f"model {unload.namespace}/{unload.model}@{unload.version[:_DIGEST]}: unload from {unload.replica}"
    for route in plan.routes:
        yield f"route {route.namespace}/{route.name}: to {_targets(route.after)}"
    for failure in plan.failures:
        yield f"{failure.key}: cannot be brought about: {failure.reason}"
    for held in plan.held:
        yield f"{held.key}: held: {held.reason}"


def _targets(route: Route | None) -> str:
    if route is None:
        return "nothing"
    return " + ".join(
        f"{w.target.model}@{w.target.version[:_DIGEST]}[{','.join(str(r) for r in w.target.replicas)}]×{w.weight}"
        for w in route.targets
    )
