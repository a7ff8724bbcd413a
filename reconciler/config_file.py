"""The configuration file: YAML to a :class:`~reconciler.config.Config`, strictly.

What is allowed stands in ``config.schema.json``; whatever does not fit is named with file, line and
column, all of it at once. Manifests under ``servers`` are judged exactly as they would be in Git.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs

from placement.policy import REFERENCE, Policy
from reconciler.config import (
    CONFIGURATION,
    ApiConfig,
    ApplicationConfig,
    Config,
    GatewayConfig,
    StorageConfig,
    StorageMapping,
)
from reconciler.control.sync_policy import SyncPolicy
from reconciler.observability.notifications import Notification
from reconciler.observability.settings import (
    TracingConfig,
    events_config,
    notification,
    require_known,
    tracing_config,
)
from reconciler.preview.pulls.settings import PreviewSettings
from reconciler.preview_settings import preview_settings, require_one_each
from reconciler.source.urls import local_path
from reconciler.source_settings import Located, application_credentials, secret_sources, verification
from reconciler.sync_settings import seconds, sync_policy
from schemas.cycles import cycles, shown_cycle
from schemas.document import Document, parse
from schemas.errors import InputError
from schemas.load import combine, read_file
from schemas.resource import DEFAULT_NAMESPACE, Origin, Resource

DEFAULT_FILE = "moorage.yaml"
DEFAULT_STATE = ".moorage"
DEFAULT_STEPS = 20_000
"""Of policy pack: at 10,000 models the search stays within about a second (docs/placement.md)."""
DECLARABLE = ("Server", "ServerConfig")
MAX_WEBHOOK_SECRETS = 100
_SHOWN = 8
"""Problems named in one error; the rest is counted."""


def load_config(file: Path) -> Config:
    """The configuration that ``file`` holds; relative folders start at its own.

    Raises InputError ``ConfigNotFound`` or ``ConfigInvalid``.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        hint = "name one with --config, or a repository with --repo"
        raise InputError("ConfigNotFound", f"{file}: {error.strerror}", hint) from error
    document = _document(file, data)
    errors = _validator().iter_errors(document.value)
    problems = [sentence for error in errors for sentence in _sentences(file, document, error)]
    if problems:
        raise _invalid(problems)
    config = _config(file, document)
    _require_distinct_ports(file, document, config)
    _require_packing_for_moves(file, document)
    _require_few_secrets(file, config)
    return config


def repository_config(repository: str, revision: str, path: str, folder: Path) -> Config:
    """The configuration of a controller that follows one repository and is told nothing else."""
    application = ApplicationConfig("default", _located(repository, folder), revision, path)
    return Config(state=folder / DEFAULT_STATE, applications=(application,))


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of the configuration file."""
    value: dict[str, Any] = json.loads((files("reconciler") / "config.schema.json").read_bytes())
    return value


@cache
def _validator() -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(schema())


def _document(file: Path, data: bytes) -> Document:
    parsed = parse(data)
    faults = [*parsed.faults, *(fault for each in parsed.documents for fault in each.faults)]
    if faults:
        raise _invalid(f"{_place(file, fault.place)} {fault.message}" for fault in faults)
    if len(parsed.documents) != 1:
        raise _invalid([f"{file}: one YAML document is wanted, {len(parsed.documents)} are there"])
    return parsed.documents[0]


def _invalid(problems: Iterable[str]) -> InputError:
    found = list(problems)
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return InputError(
        "ConfigInvalid", "; ".join(found[:_SHOWN]) + more, "docs/configuration.md has every setting"
    )


def _place(file: Path, place: tuple[int, int]) -> str:
    return f"{file}:{place[0]}:{place[1]}"


def _sentences(file: Path, document: Document, error: jsonschema_rs.ValidationError) -> Iterator[str]:
    """Problems as ``file:line:column setting: what is wrong``."""
    path, kind = list(error.instance_path), error.kind
    place = _place(file, document.find(path))
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        for unknown in kind.unexpected:
            place = _place(file, document.find([*path, unknown], key=True))
            yield f"{place} unknown setting {_shown([*path, unknown])}{_guess(unknown, path)}"
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        yield f"{place} {_shown([*path, kind.property])} is missing"
    else:
        yield f"{place} {_shown(path)}: {error.message[:200]}"


def _shown(path: Sequence[str | int]) -> str:
    """``applications[0].sync.auto``; the file itself has no name."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")[:200] or "configuration"


def _guess(unknown: str, path: Sequence[str | int]) -> str:
    close = difflib.get_close_matches(unknown, _known(path), n=1)
    return f", did you mean {close[0]}?" if close else ""


def _known(path: Sequence[str | int]) -> list[str]:
    """The settings that the schema knows at ``path``."""
    node: Mapping[str, Any] = schema()
    for step in path:
        properties = node.get("properties", {})
        node = (
            node["items"] if isinstance(step, int) else properties.get(step) or node["additionalProperties"]
        )
    return sorted(node.get("properties", {}))


def _config(file: Path, document: Document) -> Config:
    values: Mapping[str, Any] = document.value
    folder = file.absolute().parent
    gateway, api = values.get("gateway", {}), values.get("api", {})
    return Config(
        state=_folder(values.get("state", DEFAULT_STATE), folder),
        applications=tuple(_applications(file, document, folder)),
        on_exit=values.get("onExit", "stop"),
        read_only=values.get("readOnly", False),
        servers=_servers(file, document),
        packages={name: tuple(each["packages"]) for name, each in values.get("serverConfigs", {}).items()},
        storage=_storage(values.get("storage", {}), folder),
        gateway=GatewayConfig(**gateway),
        api=ApiConfig(**api),
        placement=_placement(values.get("placement", {})),
        known_hosts=_folder(values["knownHosts"], folder) if values.get("knownHosts") else None,
        webhook_secrets=secret_sources(values.get("webhookSecrets", ()), partial(_folder, folder=folder)),
        events=events_config(values.get("events", {})),
        previews=_previews(file, document, partial(_folder, folder=folder)),
        notifications=_notifications(file, document, partial(_folder, folder=folder)),
        tracing=_tracing(file, document),
    )


def _previews(file: Path, document: Document, located: Located) -> tuple[PreviewSettings, ...]:
    made: list[PreviewSettings] = []
    for index, value in enumerate(document.value.get("previews", ())):
        with _at(file, document, ["previews", index]):
            made.append(preview_settings(value, located))
            require_one_each(made)
    return tuple(made)


def _notifications(file: Path, document: Document, located: Located) -> tuple[Notification, ...]:
    made: list[Notification] = []
    for index, value in enumerate(document.value.get("notifications", ())):
        with _at(file, document, ["notifications", index]):
            made.append(notification(value, located))
    with _at(file, document, ["notifications"]):
        require_known(made, frozenset(each["name"] for each in document.value["applications"]))
    return tuple(made)


def _tracing(file: Path, document: Document) -> TracingConfig:
    with _at(file, document, ["tracing"]):
        return tracing_config(document.value.get("tracing", {}))


@contextmanager
def _at(file: Path, document: Document, path: Sequence[str | int]) -> Iterator[None]:
    """Say of an InputError where in the file its cause stands."""
    try:
        yield
    except InputError as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise _invalid([f"{_place(file, document.find(path))} {error.message}{hint}"]) from None


def _placement(value: Mapping[str, Any]) -> Policy:
    """The reference searches and moves nothing, so it is one policy whatever ``steps`` says."""
    if value.get("policy", REFERENCE.name) == REFERENCE.name:
        return REFERENCE
    return Policy(value["policy"], value.get("steps", DEFAULT_STEPS), value.get("maxMoves", 0))


def _require_packing_for_moves(file: Path, document: Document) -> None:
    value = document.value.get("placement", {})
    if value.get("maxMoves", 0) and value.get("policy", REFERENCE.name) == REFERENCE.name:
        place = _place(file, document.find(["placement", "maxMoves"]))
        raise _invalid([f"{place} placement.maxMoves: only policy pack moves what is served"])


def _require_few_secrets(file: Path, config: Config) -> None:
    """Every delivery is compared with all of them, and has to be answered within a second."""
    listed = (config.webhook_secrets, *(each.webhook_secrets for each in config.applications))
    if len({secret for each in listed for secret in each}) > MAX_WEBHOOK_SECRETS:
        raise _invalid([f"{file} webhookSecrets: more than {MAX_WEBHOOK_SECRETS} different ones"])


def _require_distinct_ports(file: Path, document: Document, config: Config) -> None:
    """One port, one listener: the API's and each namespace's."""
    taken = {config.api.port: "the API"}
    for namespace, port in config.listeners.items():
        if port in taken:
            place = _place(file, document.find(["gateway", "listeners", namespace]))
            raise _invalid([f"{place} port {port} of namespace {namespace} is that of {taken[port]}"])
        taken[port] = f"namespace {namespace}"


def _applications(file: Path, document: Document, folder: Path) -> Iterator[ApplicationConfig]:
    seen: set[str] = set()
    for index, value in enumerate(document.value["applications"]):
        name = value["name"]
        if name in seen or name == CONFIGURATION:
            why = "is taken by what `servers` declares" if name == CONFIGURATION else "is there twice"
            place = document.find(["applications", index, "name"])
            raise _invalid([f"{_place(file, place)} application {name!r} {why}"])
        seen.add(name)
        _require_signers(file, document, index)
        common = document.value.get("credentials", ())
        yield _application(value, folder, _sync(file, document, index), common)
    _require_ordered(file, document)


def _sync(file: Path, document: Document, index: int) -> SyncPolicy:
    try:
        return sync_policy(document.value["applications"][index].get("sync", {}))
    except InputError as error:
        place = _place(file, document.find(["applications", index, "sync"]))
        raise _invalid([f"{place} {error.message}: {error.hint}"]) from error


def _require_ordered(file: Path, document: Document) -> None:
    """Applications that wait for each other in a circle would never be synced."""
    waits = {
        value["name"]: tuple(value.get("sync", {}).get("dependsOn", ()))
        for value in document.value["applications"]
    }
    for index, (name, others) in enumerate(waits.items()):
        place = _place(file, document.find(["applications", index, "sync", "dependsOn"]))
        for other in others:
            if other not in waits and other != CONFIGURATION:
                raise _invalid([f"{place} application {name!r} depends on {other!r}, which is not there"])
    for circle in cycles(waits):
        raise _invalid([f"{file} applications depend on each other: {shown_cycle(circle)}"])


def _require_signers(file: Path, document: Document, index: int) -> None:
    verify = document.value["applications"][index].get("verify", {})
    signers = verify.get("allowedSigners") or verify.get("keys")
    if verify.get("mode", "off") != "off" and not signers:
        place = _place(file, document.find(["applications", index, "verify"]))
        raise _invalid([f"{place} nobody is allowed to sign: set verify.allowedSigners or verify.keys"])


def _application(
    value: Mapping[str, Any], folder: Path, sync: SyncPolicy, common: Sequence[Mapping[str, Any]]
) -> ApplicationConfig:
    located, repository = partial(_folder, folder=folder), _located(value["repository"], folder)
    return ApplicationConfig(
        name=value["name"],
        repository=repository,
        revision=value.get("revision", "HEAD"),
        path=value.get("path", "."),
        namespace=value.get("namespace", DEFAULT_NAMESPACE),
        sync=sync,
        interval=seconds(value.get("sync", {}).get("interval", "30s")),
        credentials=application_credentials(repository, value.get("credentials", {}), common, located),
        verify=verification(value.get("verify", {}), located),
        webhook_secrets=secret_sources(value.get("webhookSecrets", ()), located),
    )


def _storage(value: Mapping[str, Any], folder: Path) -> StorageConfig:
    return StorageConfig(
        allow=tuple(_folder(each, folder) for each in value.get("allow", ())),
        map=tuple(StorageMapping(m["from"], _target(m["to"], folder)) for m in value.get("map", ())),
        secrets=_folder(value["secrets"], folder) if value.get("secrets") else None,
    )


def _servers(file: Path, document: Document) -> tuple[Resource, ...]:
    """The manifests under ``servers``. Their places are those of this file."""
    readings = []
    for index, value in enumerate(document.value.get("servers", ())):
        place = document.find(["servers", index])
        data = json.dumps(value).encode()
        readings.append(read_file(_place(file, place), data, DEFAULT_NAMESPACE, CONFIGURATION))
    loaded = combine(readings)
    problems = [f"{p.file} {p.path or p.kind}: {p.message}" for p in loaded.problems if p.severity == "error"]
    kinds = " and ".join(DECLARABLE)
    for reading in readings:
        if any(resource.key.kind not in DECLARABLE for resource in reading.resources):
            problems.append(f"{reading.file} only {kinds} can be declared here")
        elif not (reading.resources or reading.problems):
            problems.append(f"{reading.file} not a manifest; {kinds} can be declared here")
    if problems:
        raise _invalid(problems)
    return tuple(replace(resource, origin=_declared(resource.origin, file)) for resource in loaded.resources)


def _declared(origin: Origin, file: Path) -> Origin:
    """The origin of a manifest that was read under the name ``file:line:column``."""
    _, line, column = origin.file.rsplit(":", 2)
    return Origin("configuration", file.name, int(line), int(column))


def _located(repository: str, folder: Path) -> str:
    """A local repository as an absolute path; a URL as it is."""
    if "://" in repository or local_path(repository) is None:
        return repository
    return str(_folder(repository, folder))


def _target(to: str, folder: Path) -> str:
    return to if "://" in to else str(_folder(to, folder))


def _folder(value: str, folder: Path) -> Path:
    return (folder / Path(value).expanduser()).resolve()
