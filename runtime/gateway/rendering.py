"""A routing table → the bytes that Envoy reads. No I/O; equal tables give equal bytes.

A name that gets here becomes part of headers, patterns and file names; what is no name is refused
before anything is written, however well it was checked elsewhere. Routes are kept from table to table:
of 10,000, only those that changed are worked out again.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from runtime.gateway.clusters import PROTOCOLS, Protocol, clusters
from runtime.gateway.envelopes import binary_resource
from runtime.gateway.listeners import listener
from runtime.gateway.protobuf import encode
from runtime.gateway.routing import entry, route_configuration
from runtime.ports import GatewayRoute, GatewayTable
from schemas.errors import InputError

_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ROUTE: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_ON_THE_WIRE: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?(_[0-9]{1,10})?")
_ROUTE_CONFIGURATION: Final = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"

Entries = dict[Protocol, bytes]
Key = tuple[str, str]


@dataclass(frozen=True)
class Rendered:
    """One table: clusters by name, route configurations by namespace, listeners."""

    clusters: dict[str, bytes]
    routes: dict[str, bytes]
    listeners: bytes


class Renderer:
    """Renders tables that listen on ``host``; ``routes_path`` says where a namespace's routes will be."""

    def __init__(self, host: str, routes_path: Callable[[str], Path]) -> None:
        self._host = host
        self._routes_path = routes_path
        self._kept: dict[Key, tuple[GatewayRoute, Entries]] = {}

    def render(self, table: GatewayTable) -> Rendered:
        """``table`` as Envoy reads it. InputError ``BadRoute`` where a name is none, is there twice, or
        no listener can reach a route."""
        _require_listeners(table)
        kept = {(route.namespace, route.name): (route, self._entries(route)) for route in table.routes}
        _require(len(kept) == len(table.routes), "a route is there twice")
        _require(table.listeners.keys() >= {namespace for namespace, _ in kept}, "a route has no listener")
        self._kept = kept
        namespaces = sorted(table.listeners)
        entries: dict[str, list[Entries]] = {namespace: [] for namespace in namespaces}
        for (namespace, _), (_, both) in sorted(kept.items(), key=itemgetter(0)):
            entries[namespace].append(both)
        return Rendered(
            clusters={name: to_bytes(cluster) for name, cluster in clusters(table).items()},
            routes={namespace: _configuration(namespace, entries[namespace]) for namespace in namespaces},
            listeners=to_bytes([self._listener(table, namespace) for namespace in namespaces]),
        )

    def _entries(self, route: GatewayRoute) -> Entries:
        known = self._kept.get((route.namespace, route.name))
        if known is not None and known[0] == route:
            return known[1]
        _require_names(route)
        return {protocol: encode("MatchMap", entry(route, protocol)) for protocol in PROTOCOLS}

    def _listener(self, table: GatewayTable, namespace: str) -> dict[str, Any]:
        port, routes = table.listeners[namespace], self._routes_path(namespace)
        return listener(namespace, self._host, port, routes)


def to_bytes(value: Any) -> bytes:
    """``value`` as JSON; equal values give equal bytes."""
    return json.dumps(value, separators=(",", ":")).encode()


def _configuration(namespace: str, entries: list[Entries]) -> bytes:
    # Encoded messages that are joined are one message with the fields of all: here, one map.
    maps = {protocol: b"".join(each[protocol] for each in entries) for protocol in PROTOCOLS}
    message = encode("RouteConfiguration", route_configuration(namespace, maps))
    return binary_resource(_ROUTE_CONFIGURATION, message)


def _require_listeners(table: GatewayTable) -> None:
    for namespace, port in table.listeners.items():
        _require(_NAMESPACE.fullmatch(namespace), f"{namespace[:80]!r} is no namespace")
        _require(0 < port < 2**16, f"{port} is no port")
    _require(len(set(table.listeners.values())) == len(table.listeners), "two namespaces share a port")


def _require_names(route: GatewayRoute) -> None:
    _require(_ROUTE.fullmatch(route.name), f"{route.name[:80]!r} is no name of a route")
    for upstream in (*route.upstreams, *([route.mirror] if route.mirror else [])):
        _require(_ON_THE_WIRE.fullmatch(upstream.model), f"{upstream.model[:80]!r} is no model")


def _require(holds: object, message: str) -> None:
    if not holds:
        raise InputError("BadRoute", message)
