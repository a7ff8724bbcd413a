"""Versions of models on record: their numbers, and the artifact each is bound to. Design decision 7."""

from dataclasses import replace

from runtime.local.record import Record
from runtime.local.rows import ModelAt, ModelVersions, Version, VersionKey
from schemas.specs import ModelSpec


class Versions:
    """What the record says of versions."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def find(self, key: VersionKey) -> Version | None:
        """What is on record of a version."""
        versions = self._record.versions.get(key[:2])
        return versions.find(key[2]) if versions else None

    def require(self, key: VersionKey) -> Version:
        """As :meth:`find`, of a version that has been entered."""
        version = self.find(key)
        assert version is not None, key
        return version

    def number(self, at: ModelAt) -> int:
        """The number of the version that ``at`` is a replica of."""
        return self.require(at.version_key).number

    def wire(self, at: ModelAt) -> str:
        """What the servers call it (``iris_1``)."""
        return f"{at.model}_{self.number(at)}"

    def enter(self, key: VersionKey, spec: ModelSpec) -> Version:
        """The version with its number; a new one gets 1 + the highest on record."""
        found = self.find(key)
        if found is not None:
            return found
        known = self._record.versions.get(key[:2]) or ModelVersions(key[0], key[1], ())
        number = 1 + max((version.number for version in known.versions), default=0)
        version = Version(key[2], number, spec)
        self._record.versions.put(replace(known, versions=(*known.versions, version)))
        return version

    def bind(self, key: VersionKey, digest: str) -> bool:
        """Bind the version to ``digest`` if it is not bound; False where it is bound to another."""
        version = self.require(key)
        if version.artifact is None:
            self._replace(key, replace(version, artifact=digest))
        return version.artifact in (None, digest)

    def forget(self, namespace: str, model: str) -> None:
        """Drop everything about a model's versions."""
        self._record.versions.drop((namespace, model))

    def _replace(self, key: VersionKey, changed: Version) -> None:
        known = self._record.versions.get(key[:2])
        assert known is not None
        versions = tuple(changed if entry.version == key[2] else entry for entry in known.versions)
        self._record.versions.put(replace(known, versions=versions))
