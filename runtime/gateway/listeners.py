"""Listeners and bootstrap: what Envoy needs besides clusters and routes. Pure.

One listener per namespace, REST and gRPC on one port. Every caller counts as external, so that
``x-envoy-*`` request headers (timeouts, retries, statistics named by the caller) have no effect.
"""

from pathlib import Path
from typing import Any, Final

from runtime.gateway.clusters import BUFFER_BYTES
from runtime.gateway.scripts import naming_filter, renaming_filters

_HCM: Final = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
_ROUTER: Final = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_UUID: Final = "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
_HEADERS_KB: Final = 256  # a long x-seldon-route is ignored, so it must get in
# An empty list would mean the private networks, loopback among them; this address is never a peer.
_NOBODY: Final = {"address_prefix": "255.255.255.255", "prefix_len": 32}
_STATS: Final = ("cluster_manager.", "listener_manager.", "http.", "server.")
"""Statistics that are kept. None per cluster: those cost more memory than the routes."""


def listener(namespace: str, host: str, port: int, routes: Path) -> dict[str, Any]:
    """The listener of ``namespace``, which follows the route configuration in the file ``routes``."""
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": f"{namespace}-{port}",
        "address": {"socket_address": {"address": host, "port_value": port}},
        # Otherwise a second Envoy of the same user could take half of the connections, unnoticed.
        "enable_reuse_port": False,
        "connection_balance_config": {"exact_balance": {}},
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "filter_chains": [
            {"filters": [{"name": "http", "typed_config": _connection_manager(namespace, routes)}]}
        ],
    }


def _connection_manager(namespace: str, routes: Path) -> dict[str, Any]:
    router = {"@type": _ROUTER, "upstream_http_filters": renaming_filters()}
    return {
        "@type": _HCM,
        "stat_prefix": namespace,
        "rds": {"route_config_name": namespace, "config_source": _from_file(routes)},
        "http_filters": [
            naming_filter(),
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
        "use_remote_address": True,
        "internal_address_config": {"cidr_ranges": [_NOBODY]},
        "skip_xff_append": True,
        "stream_idle_timeout": "0s",  # an inference may think as long as it likes
        "max_request_headers_kb": _HEADERS_KB,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {"typed_config": {"@type": _UUID, "pack_trace_reason": False}},
    }


def bootstrap(admin: Path, clusters: Path, listeners: Path) -> dict[str, Any]:
    """What Envoy is started with: where the tables are, and who may ask it (``admin``, mode 0600)."""
    return {
        "node": {"id": "gateway", "cluster": "moorage"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "dynamic_resources": {"cds_config": _from_file(clusters), "lds_config": _from_file(listeners)},
        "stats_config": {
            "stats_matcher": {"inclusion_list": {"patterns": [{"prefix": prefix} for prefix in _STATS]}}
        },
    }


def _from_file(path: Path) -> dict[str, Any]:
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}
