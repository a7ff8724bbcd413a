"""A routing table → the texts that Envoy reads. Pure; equal tables give equal texts.

A name that gets here became part of headers, patterns and file names; what is no name is refused
before anything is written, however well it was checked elsewhere.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.gateway.clusters import clusters
from runtime.gateway.files import to_text
from runtime.gateway.listeners import listener
from runtime.gateway.routing import route_configuration
from runtime.ports import GatewayRoute, GatewayTable
from schemas.errors import InputError

_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ROUTE: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_ON_THE_WIRE: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?(_[0-9]{1,10})?")


@dataclass(frozen=True)
class Rendered:
    """The texts of one table: clusters by name, route configurations by namespace, listeners."""

    clusters: dict[str, str]
    routes: dict[str, str]
    listeners: str


def render(table: GatewayTable, host: str, routes_path: Callable[[str], Path]) -> Rendered:
    """``table`` as Envoy reads it, listening on ``host``; ``routes_path`` says where routes will be."""
    routes: dict[str, list[GatewayRoute]] = {namespace: [] for namespace in sorted(table.listeners)}
    for route in table.routes:
        routes[route.namespace].append(route)
    listening = [listener(name, host, table.listeners[name], routes_path(name)) for name in routes]
    return Rendered(
        clusters={name: to_text(cluster) for name, cluster in clusters(table).items()},
        routes={name: to_text([route_configuration(name, found)]) for name, found in routes.items()},
        listeners=to_text(listening),
    )


def require_renderable(table: GatewayTable) -> None:
    """InputError ``BadRoute`` where a name is none, is there twice, or no listener can reach a route."""
    for namespace in table.listeners:
        _require(_NAMESPACE.fullmatch(namespace), f"{namespace[:80]!r} is no namespace")
    for route in table.routes:
        _require(_ROUTE.fullmatch(route.name), f"{route.name[:80]!r} is no name of a route")
        _require(route.namespace in table.listeners, f"namespace {route.namespace!r} has no listener")
        for upstream in (*route.upstreams, *([route.mirror] if route.mirror else [])):
            _require(_ON_THE_WIRE.fullmatch(upstream.model), f"{upstream.model[:80]!r} is no model")
    keys = {(route.namespace, route.name) for route in table.routes}
    _require(len(keys) == len(table.routes), "a route is there twice")


def _require(holds: object, message: str) -> None:
    if not holds:
        raise InputError("BadRoute", message)
