"""What ``plan`` and ``explain`` start from where something is supposed: a world, read or fetched, and changed.

Git is read as it is. What lives comes from an inventory file, or else from the controller (or the record)
in the same format, so that both ways are one. Nothing is written but a mirror of a remote repository,
which is gone when the command ends.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from placement.policy import PACK, REFERENCE
from placement.policy import Policy as PlacementPolicy
from reconciler.cli.session import answers, configuration
from reconciler.config import CONFIGURATION, ApplicationConfig, Config
from reconciler.config_file import repository_config
from reconciler.control.intent import NOTHING_SAID
from reconciler.inventory.fitting import fitted
from reconciler.inventory.reading import InventoryFile, read_inventory
from reconciler.inventory.text import MAX_BYTES
from reconciler.planning.guards import change_policy
from reconciler.planning.planner import Policy
from reconciler.planning.whatif import (
    REASON,
    Assumption,
    WithoutServer,
    WithPolicy,
    WithServer,
    World,
    supposed,
)
from reconciler.source.application import DeclaredApplication, GitApplication, Source
from runtime.state import LiveState
from schemas.errors import InputError
from schemas.names import is_label
from schemas.quantity import quantity_bytes


@dataclass(frozen=True)
class Options:
    """What the command line says about a supposed world; texts are as they were typed."""

    namespace: str
    inventory: Path | None = None
    repo: str | None = None
    revision: str = "HEAD"
    path: str = "."
    with_server: str | None = None
    replicas: int | None = None
    memory: str | None = None
    capabilities: str | None = None
    overcommit: int | None = None
    without_server: Sequence[str] = ()
    policy: str | None = None
    max_moves: int | None = None

    @property
    def given(self) -> bool:
        """True where the answer is not simply that of the controller or the record."""
        return self != Options(self.namespace, revision=self.revision, path=self.path)


@dataclass(frozen=True)
class Supposition:
    """A world, and in words what was supposed to get it; nothing where it is read from a file as it is."""

    world: World
    words: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Why a plan of it was made."""
        return REASON if self.words else "Asked"


def supposition(
    asked: Options, application: str | None, config: Path | None, server: str | None
) -> Supposition:
    """The world that the options describe. Raises InputError for what cannot be supposed."""
    assumptions = tuple(_assumptions(asked))
    world = supposed(_world(asked, application, config, server), assumptions)
    return Supposition(world, tuple(str(each) for each in assumptions))


def _assumptions(asked: Options) -> list[Assumption]:
    found: list[Assumption] = [_without_server(asked.namespace, text) for text in asked.without_server]
    if asked.with_server is not None:
        found.append(_with_server(asked, asked.with_server))
    elif any(
        each is not None for each in (asked.replicas, asked.memory, asked.capabilities, asked.overcommit)
    ):
        hint = "name a server with --with-server"
        raise InputError("InvalidCommand", "a size is given, and no server that has it", hint)
    if asked.policy is not None or asked.max_moves is not None:
        found.append(WithPolicy(_placement(asked)))
    return found


def _without_server(namespace: str, text: str) -> WithoutServer:
    name, slash, index = text.partition("/")
    if not slash:
        return WithoutServer(namespace, name)
    if not (index.isascii() and index.isdecimal() and len(index) <= 6):
        raise InputError("InvalidCommand", f"{text!r} is no server replica", "name it as NAME/INDEX")
    return WithoutServer(namespace, name, int(index))


def _with_server(asked: Options, name: str) -> WithServer:
    if not is_label(name):
        raise InputError("InvalidCommand", f"{name!r} cannot be the name of a Server")
    try:
        memory = None if asked.memory is None else quantity_bytes(asked.memory)
    except ValueError as error:
        raise InputError("InvalidCommand", f"--memory: {error}") from error
    said = asked.capabilities
    capabilities = None if said is None else tuple(c for c in map(str.strip, said.split(",")) if c)
    return WithServer(asked.namespace, name, asked.replicas, memory, capabilities, asked.overcommit)


def _placement(asked: Options) -> PlacementPolicy:
    if asked.policy == "pack":
        return replace(PACK, max_moves=asked.max_moves or 0)
    if asked.max_moves is not None:
        raise InputError("InvalidCommand", "--max-moves says nothing without --policy pack")
    return REFERENCE


def _world(asked: Options, name: str | None, config: Path | None, server: str | None) -> World:
    told = told_configuration(asked, name, config)
    with TemporaryDirectory(prefix="moorage-") as mirrors:
        source = _source(told, name, Path(mirrors))
        file = told_inventory(asked, config, server)
        policy = policy_of(told, source.config, file.live)
        if asked.repo is not None:  # no configuration says what there is beside this application
            unowned = replace(policy.changes, applications=None)
            policy = replace(policy, listening=file.listening, changes=unowned)
        return World(*fitted(file, source.read(), policy, told.servers), policy)


def policy_of(told: Config, application: ApplicationConfig | None, live: LiveState) -> Policy:
    """As the controller has it, but for what people told the controller; without an application what holds
    for all."""
    from reconciler.compose import declared, policy

    if application is None:
        return policy(told)
    further = () if declared(told, live) is None else (CONFIGURATION,)
    names = tuple(sorted((*further, *(each.name for each in told.applications))))
    changes = change_policy(application.sync, NOTHING_SAID, names, datetime.now(UTC))
    return replace(policy(told), changes=changes)


def told_configuration(asked: Options, name: str | None, config: Path | None) -> Config:
    """The configuration, or one that is told nothing but a repository."""
    if asked.repo is None:
        return configuration(config)
    told = repository_config(asked.repo, asked.revision, asked.path, Path.cwd())
    (application,) = told.applications
    named = replace(application, name=name or application.name, namespace=asked.namespace)
    return replace(told, applications=(named,))


def _source(told: Config, name: str | None, mirrors: Path) -> Source:
    if name == CONFIGURATION:
        return DeclaredApplication(told.servers)
    known = ", ".join(sorted(each.name for each in told.applications))
    if name is None and len(told.applications) > 1:
        raise InputError("ApplicationNotNamed", "which application is meant?", f"name one of: {known}")
    found = told.application(name or told.applications[0].name)
    if found is None:
        raise InputError("ApplicationNotFound", f"no application {name!r}", f"known: {known}")
    return GitApplication(found, mirrors, told.servers)


def told_inventory(asked: Options, config: Path | None, server: str | None) -> InventoryFile:
    """What lives, from the file that is named, else from whoever can be asked."""
    if asked.inventory is None:
        said = json.dumps(answers(config, server).inventory()).encode()
        return read_inventory(said, "the inventory that was answered")
    return inventory_file(asked.inventory)


def inventory_file(file: Path) -> InventoryFile:
    """What a file says lives. InputError ``FileNotReadable`` or ``InvalidInventory``."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)  # one more, so that it is refused by its size
    except OSError as error:
        raise InputError("FileNotReadable", f"{file}: {error.strerror}") from error
    return read_inventory(data, str(file))
