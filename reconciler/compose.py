"""The composition root: the only place that knows which adapter stands behind which protocol.

From a configuration to a running controller and back to nothing: what is started in which order, and
what a signal ends. Everything that decides lives elsewhere.
"""

import asyncio
import gc
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import structlog

from reconciler.address import Address, withdraw, write_address
from reconciler.config import CONFIGURATION, Config, OnExit
from reconciler.control.intent_store import IntentStore
from reconciler.control.loop import Controller
from reconciler.history import History
from reconciler.observability.watchers import watchers
from reconciler.offline import Kept, Offline
from reconciler.planning.planner import Policy
from reconciler.preview.pulls.parts import preview_service, shown
from reconciler.preview.pulls.service import PreviewService
from reconciler.preview.pulls.store import PreviewStore
from reconciler.reload import configurations
from reconciler.source.application import DeclaredApplication, GitApplication, Source
from reconciler.source.fetching import know_hosts
from reconciler.source.urls import local_path
from reconciler.source.webhook_secrets import WebhookSecrets
from reconciler.source.webhooks.matching import Followed
from reconciler.web.api import Questions, make_app
from reconciler.web.previews import preview_routes
from reconciler.web.server import ApiServer, bind
from reconciler.web.signals import signal_routes
from reconciler.web.webhook import Hooks, Webhook
from runtime.gateway.envoy import EnvoyGateway
from runtime.local.live import load_live_state
from runtime.local.runtime import LocalRuntime
from runtime.ports import ServerProgram
from runtime.serving.artifacts import FsspecArtifactStore
from runtime.serving.environments import DEFAULT_MLSERVER_PACKAGES, Environments
from runtime.serving.intake import FetchProgress
from runtime.serving.mlserver import MLServerProgram
from runtime.serving.storage import PrefixMapping, StorageRules
from runtime.serving.unavailable import UnavailableProgram
from runtime.state import LiveState
from schemas.defaults import default_server_configs
from schemas.errors import MoorageError, StopError
from schemas.resource import DEFAULT_NAMESPACE, Resource
from schemas.specs import ServerConfigSpec

log = structlog.get_logger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
YOUNG_OBJECTS = 50_000
"""New objects between two collections. Python's default of some hundreds walks the long-lived values of
10,000 manifests several times in one plan; measured, that doubles its time."""
FETCH_PAUSE = 10.0
"""Seconds between two log lines about one fetch."""


async def run(config: Config, file: Path | None = None) -> None:
    """Run a controller until it is told to end; changes of ``file``, which ``config`` is from, are followed.

    Raises StopError where it cannot start (``PortInUse``, ``StateLocked``) or cannot go on; what serves
    then goes on serving, and the next start adopts it.
    """
    told = _signals()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    with bind(config.api.host, config.api.port) as socket:
        runtime = _runtime(config)
        await runtime.start()
        mode: OnExit = "leave"
        try:
            await _serve(config, file, runtime, ApiServer(socket), Address.of(socket), told)
            mode = config.on_exit
        finally:
            log.info("ending", serving=mode)
            await runtime.stop(mode)


async def _serve(
    config: Config,
    file: Path | None,
    runtime: LocalRuntime,
    server: ApiServer,
    address: Address,
    told: asyncio.Event,
) -> None:
    """Controller and API side by side, until one of them fails or a signal came."""
    watching, latest = watchers(config), Latest(config)
    live = await runtime.observe()
    history, intents = History(_history_file(config)), IntentStore(_intent_file(config))
    store = PreviewStore(config.state / "previews.sqlite")
    controller = Controller(
        sources(config, live),
        runtime,
        policy(config),
        history,
        intents,
        watching.signals,
        shown(store, config, latest),
        read_only=config.read_only,
    )
    try:
        async with preview_service(config, controller, store, latest) as previews:
            controller.listen(previews)
            webhook = Webhook(hooks(config, controller.hint, previews.hint))
            questions = Questions(controller, config.state, gateway_urls(config), address.instance)
            signals = signal_routes(controller, webhook.counts, watching, address.instance)
            app = make_app(questions, webhook, (*signals, *preview_routes(previews)))
            write_address(config.state, address)
            log.info("controller started", api=address.url, state=str(config.state))
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(controller.run()),
                    tasks.create_task(server.serve(app)),
                    tasks.create_task(watching.run(lambda: controller.names)),
                    tasks.create_task(previews.run()),
                ]
                if file is not None:
                    following = _follow_file(file, latest, controller, runtime, webhook, previews)
                    running.append(tasks.create_task(following))
                tasks.create_task(_cancel_when(told, running))
    except ExceptionGroup as group:
        raise _first(group) from group
    finally:
        withdraw(config.state)
        for each in (history, intents, store):
            each.close()


class Latest:
    """The configuration as it is followed now."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self) -> Config:
        """It."""
        return self.config


async def _follow_file(
    file: Path,
    latest: Latest,
    controller: Controller,
    runtime: LocalRuntime,
    webhook: Webhook,
    previews: PreviewService,
) -> None:
    async for following in configurations(file, latest()):
        latest.config = following
        controller.reconfigure(sources(following, await runtime.observe()))
        webhook.configure(hooks(following, controller.hint, previews.hint))
        log.info("configuration taken over", applications=len(following.applications))


async def _cancel_when(told: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    await told.wait()
    for task in tasks:
        task.cancel()


def _signals() -> asyncio.Event:
    """An event that the first signal sets; later ones change nothing."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, told.set)
    return told


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """The first error of ours in a group; anything else is a defect, told in the log."""
    matching, _ = group.split(MoorageError)
    if matching is None:
        log.critical("the controller failed", exc_info=group)
        return StopError("InternalError", repr(next(_leaves(group))), "the log says more")
    return next(_leaves(matching))


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def offline(config: Config) -> Offline:
    """Answers about the configuration's state folder while no controller runs."""
    if any(local_path(each.repository) is None for each in config.applications):
        config.state.mkdir(mode=0o700, parents=True, exist_ok=True)  # before a mirror is made in it
    return Offline(
        config.state,
        sources(config, live_state(config)),
        lambda: live_state(config),
        policy(config),
        Kept(_history_file(config), _intent_file(config)),
        gateway_urls(config),
    )


def sources(config: Config, live: LiveState) -> list[Source]:
    """What every application follows, those of the configuration first."""
    know_hosts(config.known_hosts, config.state / "ssh")
    mirrors = config.state / "mirrors"
    resources = declared(config, live)
    known = config.servers
    found: list[Source] = [GitApplication(each, mirrors, known) for each in config.applications]
    return found if resources is None else [*found, DeclaredApplication(resources)]


def hooks(config: Config, hint: Callable[[str], None], preview: Callable[[tuple[str, ...]], None]) -> Hooks:
    """What deliveries of Git providers need; ``hint`` makes one application look, ``preview`` looks at the pull
    requests of some."""
    secrets = WebhookSecrets(
        config.webhook_secrets, {each.name: each.webhook_secrets for each in config.applications}
    )
    followed = tuple(Followed(each.name, each.repository, each.revision) for each in config.applications)
    return Hooks(secrets.read, lambda: followed, hint, preview=preview)


def declared(config: Config, live: LiveState) -> Sequence[Resource] | None:
    """What the configuration declares; None where it declares nothing and nothing of it is left."""
    owned = any(entry.owner == CONFIGURATION for entry in live.resources)
    return config.servers if config.servers or owned else None


def live_state(config: Config) -> LiveState:
    """What the record of the state folder says, read while no controller runs."""
    facts = {name: program.facts() for name, program in programs(config).items()}
    return load_live_state(config.state, facts)


def policy(config: Config) -> Policy:
    """What holds for planning on the whole runtime; what an application may change is its own matter."""
    return Policy(
        server_configs=built_in(),
        listening=tuple(sorted(config.listeners)),
        placement=config.placement,
    )


@cache
def built_in() -> Mapping[str, ServerConfigSpec]:
    """The ServerConfigs that exist without being declared, by name."""
    found: dict[str, ServerConfigSpec] = {}
    for resource in default_server_configs(DEFAULT_NAMESPACE):
        assert isinstance(resource.spec, ServerConfigSpec)
        found[resource.key.name] = resource.spec
    return found


def programs(config: Config) -> Mapping[str, ServerProgram]:
    """A program for every ServerConfig that is known by name: built in, or with a package list."""
    environments = Environments(
        config.state / "environments", lambda line: log.info("environment", line=line)
    )
    packages = {"mlserver": DEFAULT_MLSERVER_PACKAGES, **config.packages}
    found: dict[str, ServerProgram] = {}
    for name in sorted({*built_in(), *packages}):
        listed = packages.get(name)
        found[name] = MLServerProgram(name, environments, listed) if listed else UnavailableProgram(name)
    return found


def storage_rules(config: Config) -> StorageRules:
    """What models may be fetched from."""
    storage = config.storage
    return StorageRules(
        roots=storage.allow,
        mappings=tuple(PrefixMapping(each.source, each.target) for each in storage.map),
        secrets=storage.secrets,
    )


def gateway_urls(config: Config) -> Mapping[str, str]:
    """Where models of each namespace are asked."""
    host = config.gateway.host if config.gateway.host != "0.0.0.0" else "127.0.0.1"  # noqa: S104 (only compared)
    return {namespace: f"http://{host}:{port}" for namespace, port in config.listeners.items()}


def _runtime(config: Config) -> LocalRuntime:
    artifacts = FsspecArtifactStore(config.state / "artifacts", storage_rules(config), _fetch_log())
    gateway = EnvoyGateway(config.state / "gateway", config.gateway.host)
    return LocalRuntime(config.state, programs(config), artifacts, gateway, config.listeners)


def _fetch_log() -> Callable[[FetchProgress], None]:
    """Progress of fetches as log lines: at the first report of each, then every :data:`FETCH_PAUSE`."""
    last: dict[str, float] = {}

    def report(progress: FetchProgress) -> None:
        now = time.monotonic()
        if now - last.get(progress.uri, -FETCH_PAUSE) >= FETCH_PAUSE:
            last[progress.uri] = now
            log.info(
                "fetching",
                uri=progress.uri,
                files=progress.files,
                bytes=progress.bytes_,
                total=progress.total,
            )

    return report


def _history_file(config: Config) -> Path:
    return config.state / "history.sqlite"


def _intent_file(config: Config) -> Path:
    return config.state / "intent.sqlite"
