"""The composition of previews: which adapter stands behind which protocol, from a configuration.

Beside :mod:`reconciler.compose`, which wires the rest, because a controller may well preview nothing, and a
command previews without a controller.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256

from reconciler.config import ApplicationConfig, Config
from reconciler.preview.document import page_address
from reconciler.preview.making import World
from reconciler.preview.pulls.previewer import Parts, Previewer
from reconciler.preview.pulls.providers.provider import pull_requests
from reconciler.preview.pulls.pull_requests import PullRequests
from reconciler.preview.pulls.service import PreviewService, Shown
from reconciler.preview.pulls.settings import PreviewSettings
from reconciler.preview.pulls.store import PreviewStore
from reconciler.preview.serving import Timeouts
from reconciler.source.credentials import AGENT, Credentials
from reconciler.source.pulls import PullMirror
from reconciler.source.urls import location, redacted
from runtime.local.limits import LocalLimits


def timeouts() -> Timeouts:
    """The bounds of the one-machine runtime."""
    limits = LocalLimits()
    return Timeouts(limits.unload_grace + limits.unload_elapsed, limits.load_elapsed, limits.loads_at_once)


def shown(store: PreviewStore, config: Config, latest: Callable[[], Config]) -> Shown:
    """What pull requests showed, for whoever judges plans; ``latest`` is the configuration as it is followed now."""
    return Shown(store, (each.repository for each in config.previews), lambda: latest().applications)


@asynccontextmanager
async def preview_service(
    config: Config, world: World, store: PreviewStore, latest: Callable[[], Config]
) -> AsyncIterator[PreviewService]:
    """The previewers that ``config`` asks for. Raises InputError ``ProviderUnknown``."""
    adapters = [pulls_of(each) for each in config.previews]
    try:
        previewers = [
            Previewer(each, _parts(each, pulls, config, world, store, latest))
            for each, pulls in zip(config.previews, adapters, strict=True)
        ]
        yield PreviewService(store, previewers, lambda: latest().applications)
    finally:
        for each in adapters:
            await each.close()


def pulls_of(settings: PreviewSettings) -> PullRequests:
    """The adapter of a repository's provider."""
    return pull_requests(settings.provider, settings.repository, settings.api, settings.token)


def followers(settings: PreviewSettings, config: Config) -> Sequence[ApplicationConfig]:
    """The applications that follow the repository."""
    here = location(settings.repository)
    return [each for each in config.applications if location(each.repository) == here]


def credentials_of(settings: PreviewSettings, config: Config) -> Credentials:
    """How its Git objects are fetched: as its applications do it, else with the token of the API."""
    found = next((each.credentials for each in followers(settings, config)), AGENT)
    if found == AGENT and settings.repository.startswith(("https://", "http://")):
        return Credentials(password=settings.token)
    return found


def _parts(
    settings: PreviewSettings,
    pulls: PullRequests,
    config: Config,
    world: World,
    store: PreviewStore,
    latest: Callable[[], Config],
) -> Parts:
    name = sha256(redacted(settings.repository).encode()).hexdigest()[:16]
    folder = config.state / "previews" / name
    return Parts(
        pulls=pulls,
        mirror=PullMirror(settings.repository, folder, credentials_of(settings, config)),
        world=world,
        store=store,
        timeouts=timeouts(),
        applications=lambda: followers(settings, latest()),
        known=lambda: latest().servers,
        link=partial(page_address, settings.link, redacted(settings.repository)),
        now=lambda: datetime.now(UTC),
    )
