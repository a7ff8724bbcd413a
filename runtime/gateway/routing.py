"""Routes → one Envoy route configuration per namespace. Pure.

A virtual host holds a matcher: which protocol (by path), then one exact lookup of ``seldon-model``,
so the 10,000th model costs what the first does. What a path may reach is a list of what is allowed:
the repository API of the servers behind (load, unload) is not on it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from runtime.gateway.clusters import BUFFER_BYTES, Protocol, cluster_name
from runtime.gateway.scripts import MODEL_HEADER, WIRE_HEADER
from runtime.ports import GatewayRoute, Upstream

ROUTE_HEADER: Final = "x-seldon-route"

_GRPC_PATHS: Final = (
    r"/inference\.GRPCInferenceService/"
    r"(Model(Infer|Ready|Metadata|Config|Statistics)|Server(Live|Ready|Metadata))"
)
_REST_PREFIX: Final = "/v2/models/"
_SERVER_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "/v2": {"name": "moorage", "version": "2", "extensions": []},
    "/v2/health/live": {"live": True},
    "/v2/health/ready": {"ready": True},
}
"""What the gateway says for itself: these paths name no model, and behind it are many servers."""

_ROUTE: Final = "type.googleapis.com/envoy.config.route.v3.Route"
_ROUTE_LIST: Final = "type.googleapis.com/envoy.config.route.v3.RouteList"
_HEADER_INPUT: Final = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_ANY: Final = {"prefix": "/"}
_MAX_TOTAL: Final = 2**32 - 1  # Envoy refuses weights whose sum is larger
_RETRIES: Final = {
    # Only what provably did not reach the model: an inference is not repeated behind the caller's back.
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 5,
    "retry_back_off": {"base_interval": "0.050s", "max_interval": "0.500s"},
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
            },
        }
    ],
    "host_selection_retry_max_attempts": 3,
}


def entry(route: GatewayRoute, protocol: Protocol) -> dict[str, Any]:
    """What a request for ``route`` by ``protocol`` meets: a map of this one name."""
    return {"map": {route.name: {"action": _action(route, protocol)}}}


def route_configuration(namespace: str, maps: Mapping[Protocol, Any]) -> dict[str, Any]:
    """The route configuration of the listener of ``namespace``.

    ``maps`` join what :func:`entry` gives, by protocol; encoded already or not, empty where there is
    nothing to route.
    """
    return {
        "name": namespace,
        "virtual_hosts": [
            {
                "name": namespace,
                "domains": ["*"],
                "retry_policy": _RETRIES,
                "request_body_buffer_limit": BUFFER_BYTES,
                # Kept from the servers: its length is the caller's, and some refuse long headers.
                "request_headers_to_remove": [ROUTE_HEADER],
                "matcher": _matcher(maps),
            }
        ],
    }


def _matcher(maps: Mapping[Protocol, Any]) -> dict[str, Any]:
    answers = [
        _on_path({"exact": path}, {"action": _direct(200, body)}) for path, body in _SERVER_ANSWERS.items()
    ]
    grpc_path = {"safe_regex": {"google_re2": {}, "regex": _GRPC_PATHS}}
    grpc = _on_path(grpc_path, _lookup(maps["grpc"]))
    rest = _on_path({"prefix": _REST_PREFIX}, _lookup(maps["http"]))
    return {"matcher_list": {"matchers": [rest, grpc, *answers]}, "on_no_match": {"action": _NOT_FOUND}}


def _on_path(value: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    single = {"input": _header_input(":path"), "value_match": value}
    return {"predicate": {"single_predicate": single}, "on_match": then}


def _lookup(names: Any) -> dict[str, Any]:
    if not names:
        return {"action": _NOT_FOUND}  # Envoy refuses an empty map
    tree = {"input": _header_input(MODEL_HEADER), "exact_match_map": names}
    return {"matcher": {"matcher_tree": tree, "on_no_match": {"action": _NOT_FOUND}}}


def _header_input(name: str) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": _HEADER_INPUT, "header_name": name}}


def _action(route: GatewayRoute, protocol: Protocol) -> dict[str, Any]:
    split = _split(route, route.upstreams, protocol)
    if not route.sticky:
        return _as_action({"@type": _ROUTE, "match": _ANY, **split})
    pinned = [
        {"match": _ANY | {"headers": [_names(candidate)]}, **_split(route, members, protocol, pinned=True)}
        for candidate, members in _by_candidate(route.upstreams).items()
    ]
    return _as_action({"@type": _ROUTE_LIST, "routes": [*pinned, {"match": _ANY, **split}]})


def _by_candidate(upstreams: tuple[Upstream, ...]) -> dict[str, tuple[Upstream, ...]]:
    names = dict.fromkeys(_candidate(upstream) for upstream in upstreams)
    return {name: tuple(u for u in upstreams if _candidate(u) == name) for name in names}


def _candidate(upstream: Upstream) -> str:
    return upstream.model.rpartition("_")[0] or upstream.model


def _names(candidate: str) -> dict[str, Any]:
    """Matches where a hop of the header is ``candidate``, in whatever version."""
    pattern = f".*:{re.escape(candidate)}_[0-9]+:.*"
    return {"name": ROUTE_HEADER, "string_match": {"safe_regex": {"regex": pattern}}}


def _split(
    route: GatewayRoute, members: tuple[Upstream, ...], protocol: Protocol, *, pinned: bool = False
) -> dict[str, Any]:
    weights = [1] * len(members) if pinned else _shares([member.weight for member in members])
    if not any(weights):
        return _UNAVAILABLE
    weighted = [
        {
            "name": cluster_name(member.endpoints, protocol),
            "weight": weight,
            "request_headers_to_add": [_set(WIRE_HEADER, member.model)],
            "response_headers_to_add": [_set(ROUTE_HEADER, f":{member.model}:")],
        }
        for member, weight in zip(members, weights, strict=True)
    ]
    mirrors = {"request_mirror_policies": [_mirror(route.mirror, protocol)]} if route.mirror else {}
    return {"route": {"weighted_clusters": {"clusters": weighted}, "timeout": "0s", **mirrors}}


def _shares(weights: list[int]) -> list[int]:
    """``weights`` as Envoy takes them: not negative, their sum within 32 bits, proportions kept."""
    counted = [max(weight, 0) for weight in weights]
    total = sum(counted)
    return counted if total <= _MAX_TOTAL else [weight * _MAX_TOTAL // total for weight in counted]


def _mirror(mirror: Upstream, protocol: Protocol) -> dict[str, Any]:
    percent = {"numerator": min(max(mirror.weight, 0), 100), "denominator": "HUNDRED"}
    return {
        "cluster": cluster_name(mirror.endpoints, protocol, mirror=True),
        "runtime_fraction": {"default_value": percent},
        "disable_shadow_host_suffix_append": True,
        # The copy is taken after the primary's name was set: without this it would ask for that model.
        "request_headers_mutations": [{"append": _set(WIRE_HEADER, mirror.model)}],
    }


def _set(key: str, value: str) -> dict[str, Any]:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _as_action(config: dict[str, Any]) -> dict[str, Any]:
    return {"name": "route", "typed_config": config}


def _direct(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return _as_action({"@type": _ROUTE, "match": _ANY, **_answer(status, body)})


def _answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    formatted = {"json_format": body, "content_type": "application/json"}
    return {"direct_response": {"status": status, "body_format": formatted}}


_UNAVAILABLE: Final = _answer(503, {"error": "no candidate that has a share of the traffic is ready"})
_NOT_FOUND: Final = _direct(
    404,
    # A name is at most 63 characters and a suffix; the rest of a hostile one is not repeated.
    {
        "error": f"nothing is served here for path %REQ(:PATH):200% and {MODEL_HEADER} %REQ({MODEL_HEADER}):80%"
    },
)
