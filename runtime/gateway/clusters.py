"""Endpoint sets → Envoy clusters. Pure.

A cluster is immutable and named by the digest of its endpoints: what a name means never changes
while a route uses it (endpoints changed under a route that names a version lost 192 requests in 100
switches; see docs/decisions/0003). There are two per set, one for each protocol; none per model.
"""

from functools import lru_cache
from typing import Any, Final, Literal

from runtime.gateway.scripts import renaming_filters
from runtime.ports import Endpoint, GatewayTable
from schemas.codec import digest

Protocol = Literal["http", "grpc"]
PROTOCOLS: Final[tuple[Protocol, ...]] = ("http", "grpc")

BUFFER_BYTES: Final = 64 * 2**20
"""Largest gRPC message that can be renamed, and the largest request that can be retried or mirrored."""

_UNLIMITED: Final = 1_000_000  # circuit breakers: the servers' own queues are the limit
_IDLE: Final = "4s"  # below uvicorn's 5 s keep-alive: a server never closes what is just being used
_OPTIONS: Final = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@lru_cache(maxsize=4096)
def cluster_name(endpoints: tuple[Endpoint, ...], protocol: Protocol, *, mirror: bool = False) -> str:
    """The name of the cluster for ``endpoints``; equal sets have equal names on every machine."""
    return f"{digest(endpoints)[:16]}-{protocol}" + ("-mirror" if mirror else "")


def clusters(table: GatewayTable) -> dict[str, dict[str, Any]]:
    """Every cluster that ``table`` routes to, by name, sorted by name."""
    primary = {upstream.endpoints for route in table.routes for upstream in route.upstreams}
    mirrors = {route.mirror.endpoints for route in table.routes if route.mirror is not None}
    wanted = [(each, False) for each in primary] + [(each, True) for each in mirrors]
    found = [_cluster(each, protocol, mirror) for each, mirror in wanted for protocol in PROTOCOLS]
    return {cluster["name"]: cluster for cluster in sorted(found, key=lambda cluster: str(cluster["name"]))}


def _cluster(endpoints: tuple[Endpoint, ...], protocol: Protocol, mirror: bool) -> dict[str, Any]:
    name = cluster_name(endpoints, protocol, mirror=mirror)
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
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _protocol_options(protocol, mirror)
        },
    }


def _address(endpoint: Endpoint, protocol: Protocol) -> dict[str, Any]:
    port = endpoint.http_port if protocol == "http" else endpoint.grpc_port
    return {"socket_address": {"address": endpoint.host, "port_value": port}}


def _no_limits(priority: str) -> dict[str, Any]:
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {"priority": priority, **dict.fromkeys(limits, _UNLIMITED)}


def _protocol_options(protocol: Protocol, mirror: bool) -> dict[str, Any]:
    version = "http_protocol_options" if protocol == "http" else "http2_protocol_options"
    # The listener's router renames for everybody else with one Lua state; a copy does not pass it.
    # Each Lua configuration costs 0.4 MB, so only the clusters that need their own have one.
    renaming = {"http_filters": renaming_filters()} if mirror else {}
    return {
        "@type": _OPTIONS,
        "explicit_http_config": {version: {}},
        "common_http_protocol_options": {"idle_timeout": _IDLE},
        **renaming,
    }
