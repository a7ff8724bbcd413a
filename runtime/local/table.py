"""From routes as they are wanted to the gateway's table of what can be answered now. Pure."""

from collections.abc import Callable, Iterable, Mapping

from placement.inventory import ReplicaId
from runtime.ports import Endpoint, GatewayRoute, GatewayTable, Upstream
from runtime.routes import Route, Target, effective

Serving = Callable[[str, Target, ReplicaId], Endpoint | None]
"""(namespace, target, replica) → where that version answers now, or None."""

WireName = Callable[[str, Target], str]
"""(namespace, target) → the model's name on the wire (``iris_1``)."""


def gateway_table(
    listeners: Mapping[str, int], routes: Iterable[Route], serving: Serving, wire: WireName
) -> GatewayTable:
    """The whole table; ``routes`` come sorted by (namespace, name) and stay so.

    A route of a namespace without a listener has nowhere to be: it is left out.
    """
    built = (_gateway_route(route, serving, wire) for route in routes if route.namespace in listeners)
    return GatewayTable(listeners, tuple(route for route in built if route is not None))


def _gateway_route(route: Route, serving: Serving, wire: WireName) -> GatewayRoute | None:
    now = effective(route, lambda target, replica: serving(route.namespace, target, replica) is not None)
    if now is None:
        return None

    def upstream(target: Target, weight: int) -> Upstream:
        endpoints = (serving(route.namespace, target, replica) for replica in target.replicas)
        return Upstream(wire(route.namespace, target), weight, tuple(sorted(e for e in endpoints if e)))

    return GatewayRoute(
        now.namespace,
        now.name,
        tuple(upstream(weighted.target, weighted.weight) for weighted in now.targets),
        upstream(now.mirror.target, now.mirror.percent) if now.mirror else None,
        sticky=now.experiment is not None,
    )
