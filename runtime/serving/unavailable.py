"""A ServerConfig for which this machine has no inference server program.

It is a program like any other to whoever asks for its facts, and refuses the rest, so that its
servers are Degraded with a reason and nothing else is disturbed.
"""

from pathlib import Path
from typing import NoReturn

from runtime.ports import Artifact, Command, Endpoint, InferenceServer
from runtime.state import EnvironmentFacts
from schemas.errors import InputError
from schemas.specs import ModelSpec
from schemas.template import ServerTemplate

_HINT = "give the ServerConfig a package list in the configuration, or use another ServerConfig"


class UnavailableProgram:
    """A :class:`~runtime.ports.ServerProgram` that only says why there is none."""

    def __init__(self, server_config: str) -> None:
        self._server_config = server_config

    def facts(self) -> EnvironmentFacts:
        """Not runnable, reason ``NoServerBinary``."""
        message = f"no inference server program for ServerConfig {self._server_config} on this machine"
        return EnvironmentFacts(self._server_config, False, (), "NoServerBinary", message)

    async def prepare(self) -> None:
        """InputError ``NoServerBinary``."""
        self._refuse()

    def command(self, folder: Path, endpoint: Endpoint, template: ServerTemplate) -> Command:  # noqa: ARG002 (the protocol's signature)
        """InputError ``NoServerBinary``."""
        self._refuse()

    def connect(self, endpoint: Endpoint) -> InferenceServer:  # noqa: ARG002 (the protocol's signature)
        """InputError ``NoServerBinary``."""
        self._refuse()

    def lay(self, folder: Path, artifact: Artifact, model: str, number: int, spec: ModelSpec) -> None:  # noqa: ARG002 (the protocol's signature)
        """InputError ``NoServerBinary``."""
        self._refuse()

    def remove(self, folder: Path, model: str, number: int) -> None:
        """Nothing was ever laid."""

    def _refuse(self) -> NoReturn:
        facts = self.facts()
        raise InputError(facts.reason, facts.message, _HINT)
