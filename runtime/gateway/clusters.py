"""Endpoint sets → Envoy clusters. Pure.

A cluster is immutable and named by the digest of its endpoints: what a name means never changes
while a route uses it (endpoints changed under a route that names a version lost 192 requests in 100
switches; see docs/decisions/0003). There are two per set, one for each protocol; none per model.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Literal

from runtime.gateway.scripts import NAME_ON_THE_WIRE
from runtime.ports import Endpoint, GatewayTable, Upstream
from schemas.codec import digest

Protocol = Literal["http", "grpc"]
PROTOCOLS: Final[tuple[Protocol, ...]] = ("http", "grpc")

BUFFER_BYTES: Final = 64 * 2**20
"""Largest gRPC message that can be renamed, and the largest request that can be retried or mirrored."""

_UNLIMITED: Final = 1_000_000  # circuit breakers: the servers' own queues are the limit
_IDLE: Final = "4s"  # below uvicorn's 5 s keep-alive: a server never closes what is just being used
_OPTIONS: Final = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_CODEC: Final = "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
LUA_TYPE: Final = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


@lru_cache(maxsize=4096)
def cluster_name(endpoints: tuple[Endpoint, ...], protocol: Protocol) -> str:
    """The name of the cluster for ``endpoints``; equal sets have equal names on every machine."""
    return f"{digest(endpoints)[:16]}-{protocol}"


def clusters(table: GatewayTable) -> dict[str, dict[str, Any]]:
    """Every cluster that ``table`` routes to, by name, sorted by name."""
    sets = {upstream.endpoints for upstream in _upstreams(table)}
    found = {cluster_name(s, protocol): _cluster(s, protocol) for s in sets for protocol in PROTOCOLS}
    return dict(sorted(found.items()))


def _upstreams(table: GatewayTable) -> Iterable[Upstream]:
    for route in table.routes:
        yield from route.upstreams
        if route.mirror is not None:
            yield route.mirror


def _cluster(endpoints: tuple[Endpoint, ...], protocol: Protocol) -> dict[str, Any]:
    name = cluster_name(endpoints, protocol)
    members = [{"endpoint": {"address": _address(endpoint, protocol)}} for endpoint in endpoints]
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "lb_policy": "LEAST_REQUEST",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "circuit_breakers": {"thresholds": [_no_limits(priority) for priority in ("DEFAULT", "HIGH")]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": members}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _protocol_options(protocol)
        },
    }


def _address(endpoint: Endpoint, protocol: Protocol) -> dict[str, Any]:
    port = endpoint.http_port if protocol == "http" else endpoint.grpc_port
    return {"socket_address": {"address": endpoint.host, "port_value": port}}


def _no_limits(priority: str) -> dict[str, Any]:
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {"priority": priority, **dict.fromkeys(limits, _UNLIMITED)}


def _protocol_options(protocol: Protocol) -> dict[str, Any]:
    version = "http_protocol_options" if protocol == "http" else "http2_protocol_options"
    lua = {"@type": LUA_TYPE, "default_source_code": {"inline_string": NAME_ON_THE_WIRE}}
    return {
        "@type": _OPTIONS,
        "explicit_http_config": {version: {}},
        "common_http_protocol_options": {"idle_timeout": _IDLE},
        "http_filters": [
            {"name": "envoy.filters.http.lua", "typed_config": lua},
            {"name": "envoy.filters.http.upstream_codec", "typed_config": {"@type": _CODEC}},
        ],
    }
