"""Applied resources in the reference's columns, server replicas in ours, and both as JSON, YAML or names.

The columns are those that the reference's custom resources print; ``wide`` adds theirs of lower
priority and ours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from placement.quantity import readable_amount, readable_bytes
from reconciler.cli import output

Object = Mapping[str, Any]
Cell = Callable[[Object], object]


def _condition(name: str, field: str = "status") -> Cell:
    def cell(item: Object) -> object:
        found = (each for each in item["status"]["conditions"] if each["type"] == name)
        return next((each[field] for each in found), "")

    return cell


def _status(field: str) -> Cell:
    return lambda item: item["status"].get(field, "")


def _name(item: Object) -> object:
    return item["metadata"]["name"]


def _age(item: Object) -> object:
    created = item["metadata"].get("creationTimestamp")
    return age(datetime.now(UTC) - datetime.fromisoformat(created)) if created else ""


def _replicas(item: Object) -> Sequence[Object]:
    found: Sequence[Object] = item["status"]["moorage"].get("replicas", ())
    return found


def _versions(item: Object) -> object:
    return ",".join(sorted({each["version"] for each in _replicas(item) if each["state"] == "Loaded"}))


def _places(item: Object) -> object:
    return ",".join(
        f"{each['server']}/{each['index']}" for each in _replicas(item) if each["state"] == "Loaded"
    )


def _capabilities(item: Object) -> object:
    return ",".join(sorted({name for each in _replicas(item) for name in each["capabilities"]}))


def _memory(item: Object) -> object:
    return readable_bytes(_replicas(item)[0]["memory"]) if _replicas(item) else ""


def _models_ready(item: Object) -> object:
    return str(not item["status"]["moorage"].get("missingModels"))


_MESSAGE = ("MESSAGE", _condition("Ready", "message"))
_AGE = ("AGE", _age)

COLUMNS: Mapping[str, tuple[tuple[str, Cell], ...]] = {
    "Model": (
        ("NAME", _name),
        ("READY", _condition("Ready")),
        ("DESIRED REPLICAS", _status("replicas")),
        ("AVAILABLE REPLICAS", _status("availableReplicas")),
        ("STATUS", _condition("ModelReady", "reason")),
        _AGE,
    ),
    "Server": (
        ("NAME", _name),
        ("READY", _condition("Ready")),
        ("REPLICAS", _status("replicas")),
        ("LOADED MODELS", _status("loadedModels")),
        _AGE,
    ),
    "Experiment": (
        ("NAME", _name),
        ("EXPERIMENT READY", _condition("ExperimentReady")),
        _MESSAGE,
        _AGE,
    ),
    "Pipeline": (
        ("NAME", _name),
        ("PIPELINE READY", _condition("PipelineReady")),
        _MESSAGE,
        _AGE,
    ),
}
WIDE: Mapping[str, tuple[tuple[str, Cell], ...]] = {
    "Model": (("VERSIONS", _versions), ("SERVED BY", _places), _MESSAGE),
    "Server": (
        ("STATUS", _condition("Ready", "reason")),
        ("MEMORY", _memory),
        ("CAPABILITIES", _capabilities),
        _MESSAGE,
    ),
    "Experiment": (
        ("CANDIDATES READY", _condition("CandidatesReady")),
        ("MIRROR READY", _condition("MirrorReady")),
    ),
    "Pipeline": (("MODELS READY", _models_ready),),
}


def show(kind: str, items: Sequence[Object], form: str, *, one: bool, every: bool) -> None:
    """Write ``items`` of ``kind``; ``one`` was asked for by name, ``every`` namespace was looked in."""
    match form:
        case "json":
            output.as_json(items[0] if one else _list(items))
        case "yaml":
            output.as_yaml(items[0] if one else _list(items))
        case "name":
            for item in items:
                output.line(f"{kind.lower()}/{item['metadata']['name']}")
        case _:
            _table(kind, items, wide=form == "wide", every=every)


def _list(items: Sequence[Object]) -> Object:
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def _table(kind: str, items: Sequence[Object], *, wide: bool, every: bool) -> None:
    if not items:
        output.say(f"no {kind.lower()}s found")
        return
    columns = (*COLUMNS[kind], *(WIDE[kind] if wide else ()))
    if every:
        columns = (("NAMESPACE", lambda item: item["metadata"]["namespace"]), *columns)
    rows = [[cell(item) for _, cell in columns] for item in items]
    output.table([heading for heading, _ in columns], rows)


def show_inventory(inventory: Object, form: str) -> None:
    """Write an inventory file: as it is in JSON and YAML, else one line for every server replica."""
    servers = inventory["servers"]
    match form:
        case "json":
            output.as_json(inventory)
        case "yaml":
            output.as_yaml(inventory)
        case "name":
            for server, replica in _each_replica(servers):
                output.line(f"server/{server['name']}/{replica['index']}")
        case _ if any(server["replicas"] for server in servers):
            columns = (*INVENTORY, *(INVENTORY_WIDE if form == "wide" else ()))
            rows = [
                [cell(server, replica) for _, cell in columns] for server, replica in _each_replica(servers)
            ]
            output.table([heading for heading, _ in columns], rows)
        case _:
            output.say("no server replicas found")


def _each_replica(servers: Sequence[Object]) -> Iterator[tuple[Object, Object]]:
    return ((server, replica) for server in servers for replica in server["replicas"])


BAR = 10
"""Characters of a memory bar."""


def _bar(replica: Object) -> str:
    """``[####......] 1.2Gi of 3Gi``: used and reserved, out of what may be promised."""
    memory = replica["memory"]
    taken, limit = memory["used"] + memory["reserved"], _limit(memory)
    filled = min(BAR, -(-BAR * taken // limit)) if limit else BAR  # rounded up: what is in use shows
    bar = "#" * filled + "." * (BAR - filled)
    return f"[{bar}] {readable_bytes(taken)} of {readable_bytes(limit)}"


def _limit(memory: Mapping[str, int]) -> int:
    return memory["capacity"] + memory["capacity"] * memory["overcommitPercent"] // 100


def _offered(server: Object, replica: Object) -> str:
    return ",".join(replica.get("capabilities", server["capabilities"]))


def _amounts(amounts: Mapping[str, int]) -> str:
    return ",".join(f"{name}={readable_amount(amount)}" for name, amount in sorted(amounts.items()))


def _loaded(replica: Object) -> str:
    """``iris_1,wine_2 (LoadFailed)``."""
    return ",".join(
        f"{each['name']}_{each['number']}" + ("" if each["state"] == "Loaded" else f" ({each['state']})")
        for each in replica["models"]
    )


ReplicaCell = Callable[[Object, Object], object]

INVENTORY: tuple[tuple[str, ReplicaCell], ...] = (
    ("NAMESPACE", lambda server, _: server["namespace"]),
    ("REPLICA", lambda server, replica: f"{server['name']}/{replica['index']}"),
    ("STATE", lambda _, replica: replica["state"]),
    ("MEMORY", lambda _, replica: _bar(replica)),
    ("MODELS", lambda _, replica: len(replica["models"])),
    ("CAPABILITIES", _offered),
)
INVENTORY_WIDE: tuple[tuple[str, ReplicaCell], ...] = (
    ("RESERVED", lambda _, replica: readable_bytes(replica["memory"]["reserved"])),
    ("OVERCOMMIT", lambda _, replica: f"{replica['memory']['overcommitPercent']}%"),
    ("INSTANCES", lambda _, replica: replica["instances"]),
    ("RESOURCES", lambda _, replica: _amounts(replica["resources"])),
    ("LOADED", lambda _, replica: _loaded(replica)),
)


def age(passed: Any) -> str:
    """A duration as kubectl writes ages: ``45s``, ``12m``, ``5h``, ``3d``."""
    seconds = max(0, int(passed.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size or (unit == "d" and seconds >= size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
