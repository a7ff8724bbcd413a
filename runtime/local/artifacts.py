"""Which artifact a version is loaded from: the bound one, or one fetch for all who load it first.

A version is bound at its first good load, not before: a broken artifact may still be mended in place.
"""

import asyncio
from collections import defaultdict

from runtime.local.rows import Version, VersionKey
from runtime.local.versions import Versions
from runtime.ports import Artifact, ArtifactStore
from schemas.errors import InputError


class Artifacts:
    """Fetches each version's artifact once, however many replicas load it."""

    def __init__(self, versions: Versions, store: ArtifactStore) -> None:
        self._versions = versions
        self._store = store
        self._fetched: dict[VersionKey, Artifact] = {}
        self._fetching: defaultdict[VersionKey, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, key: VersionKey) -> Artifact:
        """The artifact to load. InputError ``ArtifactChanged`` where the bound one is not to be had."""
        async with self._fetching[key]:
            version = self._versions.require(key)
            if version.artifact is not None:
                return self._store.cached(version.artifact) or await self._refetch(version, key[0])
            if key not in self._fetched:
                self._fetched[key] = await self._fetch(version, key[0])
            return self._fetched[key]

    async def digest_now(self, key: VersionKey) -> str:
        """Digest of what the ``storageUri`` holds now."""
        return (await self._fetch(self._versions.require(key), key[0])).digest

    def let_go(self, key: VersionKey) -> None:
        """Fetch anew next time: the version is bound, or what was fetched could not be loaded."""
        self._fetched.pop(key, None)
        if key in self._fetching and not self._fetching[key].locked():
            del self._fetching[key]

    async def _refetch(self, version: Version, namespace: str) -> Artifact:
        artifact = await self._fetch(version, namespace)
        if artifact.digest != version.artifact:
            raise InputError(
                "ArtifactChanged",
                f"{version.spec.storage_uri} holds another artifact than this version was loaded from",
                "give every artifact a storageUri of its own and never change what it holds",
            )
        return artifact

    async def _fetch(self, version: Version, namespace: str) -> Artifact:
        return await self._store.fetch(version.spec.storage_uri, version.spec.secret_name, namespace)
