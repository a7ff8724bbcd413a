"""Applied resources in the reference's columns, and as JSON, YAML or names.

The columns are those that the reference's custom resources print; ``wide`` adds theirs of lower
priority and ours.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from placement.quantity import readable_bytes
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


def age(passed: Any) -> str:
    """A duration as kubectl writes ages: ``45s``, ``12m``, ``5h``, ``3d``."""
    seconds = max(0, int(passed.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size or (unit == "d" and seconds >= size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
