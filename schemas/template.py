"""What a Server offers once its ServerConfig and its own overrides are merged.

The reference merges ``podSpec`` containers by name, the Server's over the ServerConfig's, and reads
capabilities and overcommit from the ``agent`` container's environment and capacity from the memory
request of the inference container (``MEMORY_REQUEST``). ``capabilities`` replaces the list,
``extraCapabilities`` appends; where both are set ``capabilities`` wins.

How two pod specs merge (Kubernetes' strategic merge, as far as pod specs need it): objects field by
field, at any depth; lists whose items have an identity (:data:`LIST_KEYS`) item by item, new items
at the end; every other list and every plain value is replaced; null removes. It stops at plain
JSON values: what a pod does with them is the runtime's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.errors import InputError
from schemas.quantity import quantity_bytes
from schemas.specs import ServerConfigSpec, ServerSpec

DEFAULT_MEMORY = 1_000_000_000
DEFAULT_OVERCOMMIT_PERCENT = 10
AGENT = "agent"
SIDECARS = frozenset({AGENT, "rclone"})

# Field → what identifies an item of that list. Source: patchMergeKey of the Kubernetes core/v1 API.
LIST_KEYS: Mapping[str, str] = {
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ports": "containerPort",
    "resourceClaims": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}


@dataclass(frozen=True)
class ServerTemplate:
    """One server as the runtime and the planner need it. ``memory`` is the capacity in bytes per
    replica; ``environment`` the inference container's plain environment (entries with a value of
    their own, sorted by name); ``capabilities`` sorted, each once."""

    server_config: str
    server_type: str
    capabilities: tuple[str, ...]
    memory: int
    overcommit_percent: int
    environment: Mapping[str, str]


def server_template(server: ServerSpec, config: ServerConfigSpec) -> ServerTemplate:
    """What each replica of ``server`` offers.

    The inference container is the one whose memory ``MEMORY_REQUEST`` refers to, else the one named
    like ``SELDON_SERVER_TYPE``, else the first that is neither agent nor rclone. Memory is its
    request, else its limit, else 1G; overcommit is 10 % unless set; the server type falls back to
    the inference container's name.

    Raises InputError ``InvalidServerTemplate`` where memory or overcommit cannot be read.
    """
    pod = merge_pod_spec(config.pod_spec, server.pod_spec or {})
    containers = _containers(pod)
    agent = next((item for item in containers if item.get("name") == AGENT), {})
    settings = _plain_environment(agent)
    inference = _inference_container(containers, agent, settings)
    return ServerTemplate(
        server_config=server.server_config,
        server_type=settings.get("SELDON_SERVER_TYPE") or str(inference.get("name", "")),
        capabilities=_capabilities(server, settings),
        memory=_memory(inference, settings),
        overcommit_percent=_overcommit(settings),
        environment=dict(sorted(_plain_environment(inference).items())),
    )


def merge_pod_spec(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """``high`` laid over ``low``, by the rules in this module's docstring; neither is changed."""
    merged = dict(low)
    for field, value in high.items():
        if value is None:
            merged.pop(field, None)
        else:
            merged[field] = _merged(field, merged.get(field), value)
    return merged


def _merged(field: str, low: Any, high: Any) -> Any:
    if isinstance(low, Mapping) and isinstance(high, Mapping):
        return merge_pod_spec(low, high)
    identity = LIST_KEYS.get(field)
    if identity is not None and _are_objects(low) and _are_objects(high):
        return _merged_items(identity, low, high)
    return high


def _merged_items(identity: str, low: Sequence[Any], high: Sequence[Any]) -> list[Any]:
    merged = list(low)
    places = {_hashable(item.get(identity)): place for place, item in enumerate(low) if identity in item}
    for item in high:
        place = places.get(_hashable(item.get(identity))) if identity in item else None
        if place is None:
            merged.append(dict(item))
        else:
            merged[place] = merge_pod_spec(merged[place], item)
    return merged


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int) else repr(value)


def _are_objects(value: Any) -> bool:
    return isinstance(value, Sequence) and all(isinstance(item, Mapping) for item in value)


def _containers(pod: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    containers = pod.get("containers")
    return tuple(containers) if containers and _are_objects(containers) else ()


def _environment(container: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    entries = container.get("env")
    return tuple(entries) if entries and _are_objects(entries) else ()


def _plain_environment(container: Mapping[str, Any]) -> dict[str, str]:
    return {
        entry["name"]: entry["value"]
        for entry in _environment(container)
        if isinstance(entry.get("name"), str) and isinstance(entry.get("value"), str)
    }


def _inference_container(
    containers: Sequence[Mapping[str, Any]], agent: Mapping[str, Any], settings: Mapping[str, str]
) -> Mapping[str, Any]:
    by_name = {item.get("name"): item for item in containers if isinstance(item.get("name"), str)}
    for name in (_memory_reference(agent), settings.get("SELDON_SERVER_TYPE")):
        if name in by_name:
            return by_name[name]
    return next((item for item in containers if item.get("name") not in SIDECARS), {})


def _memory_reference(agent: Mapping[str, Any]) -> str | None:
    for entry in _environment(agent):
        if entry.get("name") == "MEMORY_REQUEST":
            name = _inside(entry, "valueFrom", "resourceFieldRef", "containerName")
            return name if isinstance(name, str) else None
    return None


def _inside(value: Any, *path: str) -> Any:
    for field in path:
        value = value.get(field) if isinstance(value, Mapping) else None
    return value


def _capabilities(server: ServerSpec, settings: Mapping[str, str]) -> tuple[str, ...]:
    offered = server.capabilities or (
        *settings.get("SELDON_SERVER_CAPABILITIES", "").split(","),
        *server.extra_capabilities,
    )
    return tuple(sorted({name.strip() for name in offered} - {""}))


def _memory(inference: Mapping[str, Any], settings: Mapping[str, str]) -> int:
    asked = settings.get("MEMORY_REQUEST")
    for place in ("requests", "limits"):
        asked = _inside(inference, "resources", place, "memory") if asked is None else asked
    if asked is None:
        return DEFAULT_MEMORY
    try:
        return quantity_bytes(asked)
    except (TypeError, ValueError) as fault:
        raise InputError("InvalidServerTemplate", f"memory of the inference container: {fault}") from fault


def _overcommit(settings: Mapping[str, str]) -> int:
    text = settings.get("SELDON_OVERCOMMIT_PERCENTAGE", "").strip()
    if not text:
        return DEFAULT_OVERCOMMIT_PERCENT
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise InputError(
            "InvalidServerTemplate",
            f"SELDON_OVERCOMMIT_PERCENTAGE is {text[:16]!r}, not a whole percentage from 0 on",
        )
    return int(text)
