"""The controller's configuration, as values. Reading the file is :mod:`reconciler.config_file`'s work.

Units, defaults and reasons of every setting stand in ``config.schema.json`` beside this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from placement.policy import REFERENCE, Policy
from reconciler.control.sync_policy import SyncPolicy
from reconciler.observability.notifications import Notification
from reconciler.observability.settings import EventsConfig, TracingConfig
from reconciler.preview.pulls.settings import PreviewSettings
from reconciler.source.credentials import AGENT, Credentials
from reconciler.source.secrets import SecretFrom
from reconciler.source.verification import Verification
from schemas.resource import Resource

CONFIGURATION: Final = "configuration"
"""Owner of what the configuration declares, and name of the application that applies it."""

OnExit = Literal["stop", "leave"]


@dataclass(frozen=True)
class ApplicationConfig:
    """One application: what it follows and how it is synced. ``interval`` is seconds between polls;
    ``webhook_secrets`` of its own take the place of the common ones."""

    name: str
    repository: str
    revision: str = "HEAD"
    path: str = ""
    namespace: str = "default"
    sync: SyncPolicy = field(default_factory=SyncPolicy)
    interval: float = 30.0
    credentials: Credentials = AGENT
    verify: Verification = field(default_factory=Verification)
    webhook_secrets: tuple[SecretFrom, ...] = ()


@dataclass(frozen=True)
class StorageMapping:
    """URIs below ``source`` are read below ``target``: a URL or an absolute folder."""

    source: str
    target: str


@dataclass(frozen=True)
class StorageConfig:
    """Where artifacts may come from. Folders are absolute; longer prefixes of ``map`` win."""

    allow: tuple[Path, ...] = ()
    map: tuple[StorageMapping, ...] = ()
    secrets: Path | None = None


@dataclass(frozen=True)
class GatewayConfig:
    """Where models are asked. ``listeners`` holds the ports of namespaces other than the first."""

    host: str = "127.0.0.1"
    port: int = 9000
    listeners: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ApiConfig:
    """Where the controller's own API listens. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 9080


@dataclass(frozen=True)
class Config:
    """Everything a controller is told. Folders are absolute; ``packages`` are by ServerConfig name."""

    state: Path
    applications: tuple[ApplicationConfig, ...]
    on_exit: OnExit = "stop"
    read_only: bool = False
    servers: tuple[Resource, ...] = ()
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    storage: StorageConfig = field(default_factory=StorageConfig)
    gateway: GatewayConfig = field(default_factory=GatewayConfig)
    api: ApiConfig = field(default_factory=ApiConfig)
    placement: Policy = REFERENCE
    known_hosts: Path | None = None
    webhook_secrets: tuple[SecretFrom, ...] = ()
    events: EventsConfig = field(default_factory=EventsConfig)
    previews: tuple[PreviewSettings, ...] = ()
    notifications: tuple[Notification, ...] = ()
    tracing: TracingConfig = field(default_factory=TracingConfig)

    @property
    def listeners(self) -> Mapping[str, int]:
        """The gateway's port of every namespace that has one; the first application's comes first."""
        return {self.applications[0].namespace: self.gateway.port, **self.gateway.listeners}

    def application(self, name: str) -> ApplicationConfig | None:
        """The application of that name."""
        return next((each for each in self.applications if each.name == name), None)
