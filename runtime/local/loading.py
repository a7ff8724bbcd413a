"""One load on one incarnation: lay the artifact out, load it, wait until it is ready."""

import asyncio
import contextlib
from pathlib import Path

from runtime.local.failures import RECOVERABLE
from runtime.local.limits import LocalLimits
from runtime.local.servers import Incarnation, Launcher, without_ports
from runtime.ports import Artifact, ServerProgram
from schemas.errors import InputError, TransientError
from schemas.specs import ModelSpec

ENDED = "the server ended while the model was loading"


class Loader:
    """Knows what is laid out where, so that a restarted server finds its files again."""

    def __init__(self, launcher: Launcher, limits: LocalLimits) -> None:
        self._launcher = launcher
        self._limits = limits
        self._laid: set[tuple[Path, str, str]] = set()

    async def load(
        self, incarnation: Incarnation, artifact: Artifact, model: str, number: int, spec: ModelSpec
    ) -> None:
        """Return once the model is ready; TransientError or InputError where this try failed, no port in it."""
        try:
            await self._load(incarnation, artifact, model, number, spec)
        except (InputError, TransientError) as error:
            message = without_ports(error.message, incarnation.endpoint)
            raise type(error)(error.reason, message, error.hint) from error

    async def remove(self, incarnation: Incarnation, model: str, number: int) -> None:
        """Take the files of an unloaded model away; TransientError ``RemoveFailed``."""
        folder = incarnation.folder
        self._laid = {entry for entry in self._laid if entry[:2] != (folder, f"{model}_{number}")}
        try:
            await asyncio.to_thread(self._program(incarnation).remove, folder, model, number)
        except OSError as error:
            message = f"the files of {model}_{number} could not be removed: {error.strerror}"
            raise TransientError("RemoveFailed", message) from error

    async def discard(self, incarnation: Incarnation, name: str) -> None:
        """Unload what nobody wants, if it is there; a server that cannot is none the worse for it."""
        with contextlib.suppress(*RECOVERABLE):
            await incarnation.client.unload(name)

    async def _load(
        self, incarnation: Incarnation, artifact: Artifact, model: str, number: int, spec: ModelSpec
    ) -> None:
        name = f"{model}_{number}"
        try:
            async with asyncio.timeout(self._limits.load_call):
                await self._lay(incarnation, artifact, model, number, spec)
                await incarnation.client.load(name)
                while not await incarnation.client.model_ready(name):
                    if not incarnation.process.running:  # no probe will ever be answered
                        raise TransientError("LoadFailed", ENDED)
                    await asyncio.sleep(self._limits.poll)
        except TimeoutError as error:
            message = f"{name} was not ready after {self._limits.load_call:g} s"
            raise TransientError("LoadFailed", message) from error

    async def _lay(
        self, incarnation: Incarnation, artifact: Artifact, model: str, number: int, spec: ModelSpec
    ) -> None:
        entry = (incarnation.folder, f"{model}_{number}", artifact.digest)
        if entry in self._laid:
            return
        try:
            await asyncio.to_thread(
                self._program(incarnation).lay, incarnation.folder, artifact, model, number, spec
            )
        except OSError as error:
            message = f"the artifact could not be laid out: {error.strerror}"
            raise TransientError("LoadFailed", message) from error
        self._laid.add(entry)

    def _program(self, incarnation: Incarnation) -> ServerProgram:
        return self._launcher.program(incarnation.template.server_config)
