"""The tables in the gateway's folder: clusters, listeners, and routes by namespace.

They are found as the last writer left them, so a new controller goes on where the old one was
killed, and with a version that was never used before.
"""

import json
from pathlib import Path
from typing import Any, Final

from runtime.gateway.envelopes import BinaryEnvelope, JsonEnvelope
from runtime.gateway.files import ConfigFile

_EMPTY: Final = b"[]"


class Tables:
    """The files below ``folder``. ``version`` is the highest that any of them has had."""

    def __init__(self, folder: Path) -> None:
        self._routes = folder / "routes"
        self.clusters = ConfigFile(folder / "clusters", "cluster_manager.cds", JsonEnvelope())
        self.listeners = ConfigFile(folder / "listeners", "listener_manager.lds", JsonEnvelope())
        found = sorted(path.stem for path in self._routes.glob(f"*{BinaryEnvelope.suffix}"))
        self.routes = {namespace: self._routes_file(namespace) for namespace in found}
        self.version = max(file.written.version for file in self.files())

    def files(self) -> list[ConfigFile]:
        """Every table, those that others refer to first."""
        return [self.clusters, *self.routes.values(), self.listeners]

    def next_version(self) -> int:
        """A version that no table has had."""
        self.version += 1
        return self.version

    def ensure(self) -> None:
        """Write empty tables where there are none that Envoy could start with; valid ones stay."""
        if not self.clusters.written.resources:
            self.clusters.write(self.next_version(), _EMPTY)
        readable = {name for name, file in self.routes.items() if file.written.resources}
        if not self.listeners.written.resources or not readable.issuperset(self.ports()):
            self.listeners.write(self.next_version(), _EMPTY)

    def ports(self) -> dict[str, int]:
        """The port of every namespace that the listeners' table holds."""
        return {
            each["name"].rpartition("-")[0]: each["address"]["socket_address"]["port_value"]
            for each in decoded(self.listeners)
        }

    def routes_path(self, namespace: str) -> Path:
        """Where the routes of ``namespace`` are; the namespace was checked to be a plain name."""
        return self._routes / f"{namespace}{BinaryEnvelope.suffix}"

    def routes_of(self, namespace: str) -> ConfigFile:
        """The routes' file of ``namespace``, which need not exist yet."""
        if namespace not in self.routes:
            self.routes[namespace] = self._routes_file(namespace)
        return self.routes[namespace]

    def drop_routes_except(self, namespaces: frozenset[str]) -> None:
        """Remove the routes of every other namespace."""
        for namespace in sorted(set(self.routes) - namespaces):
            self.routes.pop(namespace).path.unlink(missing_ok=True)

    def _routes_file(self, namespace: str) -> ConfigFile:
        return ConfigFile(self._routes / namespace, f"http.{namespace}.rds.{namespace}", BinaryEnvelope())


def decoded(file: ConfigFile) -> list[dict[str, Any]]:
    """The resources of a table that is JSON."""
    resources: list[dict[str, Any]] = json.loads(file.written.resources or _EMPTY)
    return resources
