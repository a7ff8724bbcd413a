"""The controller's configuration, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.diff import PrunePolicy
from schemas.resource import Resource


@dataclass(frozen=True)
class ApplicationConfig:
    """One application: what it follows and how it is synced. ``interval`` is seconds between polls."""

    name: str
    repository: str
    revision: str = "HEAD"
    path: str = ""
    namespace: str = "default"
    auto: bool = True
    prune: PrunePolicy = field(default_factory=PrunePolicy)
    interval: float = 30.0


@dataclass(frozen=True)
class Config:
    """Everything a controller is told. Folders are absolute."""

    state: Path
    applications: tuple[ApplicationConfig, ...]
    servers: tuple[Resource, ...] = ()
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
