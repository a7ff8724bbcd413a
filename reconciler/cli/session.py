"""Whom a command asks: the running controller, or the same functions without one.

A controller is found by ``--server``, by ``MOORAGE_SERVER``, or by the file in the state folder that the
configuration names. What that file says counts only if the controller answers with its instance id.
"""

from pathlib import Path

from reconciler.address import read_address
from reconciler.answers import Answers
from reconciler.cli.client import ApiClient
from reconciler.cli.output import say
from reconciler.config import Config
from reconciler.config_file import DEFAULT_FILE, DEFAULT_STATE, load_config
from reconciler.status import ApplicationStatus
from schemas.errors import InputError, WaitError


def configuration(config: Path | None) -> Config:
    """The configuration named, or the one in this folder. InputError ``ConfigNotFound``."""
    return load_config(config or Path(DEFAULT_FILE))


def state_folder(config: Path | None) -> Path:
    """The state folder of the configuration, or the one that ``moorage run --repo`` uses in this folder."""
    if config is None and not Path(DEFAULT_FILE).exists() and Path(DEFAULT_STATE).is_dir():
        return Path(DEFAULT_STATE)
    return configuration(config).state


def answers(config: Path | None, server: str | None) -> Answers:
    """The controller if one runs, else the repository and the record."""
    running = _running(config, server)
    if running is not None:
        return running
    told = configuration(config)
    from reconciler.cli.logs import quiet_logs
    from reconciler.compose import offline  # the whole machine; not needed to ask a controller

    quiet_logs()
    say("no controller runs: answering from the repository and the record")
    return offline(told)


def controller(config: Path | None, server: str | None, does: str) -> ApiClient:
    """The controller, for what only it ``does``. WaitError ``ControllerNotRunning``."""
    running = _running(config, server)
    if running is None:
        hint = "start it with `moorage run`, then ask again"
        raise WaitError("ControllerNotRunning", f"only a running controller {does}", hint)
    return running


def _running(config: Path | None, server: str | None) -> ApiClient | None:
    if server:
        return ApiClient(server)
    address = read_address(state_folder(config))
    if address is None:
        return None
    client = ApiClient(address.url)
    return client if client.instance() == address.instance else None


def application(asked: Answers, name: str | None) -> ApplicationStatus:
    """The application named, or the only one that follows a repository."""
    if name is not None:
        return asked.application(name)
    statuses = [status for status in asked.applications() if status.repository]
    if len(statuses) != 1:
        known = ", ".join(status.name for status in statuses) or "none"
        raise InputError("ApplicationNotNamed", "which application is meant?", f"name one of: {known}")
    return statuses[0]
