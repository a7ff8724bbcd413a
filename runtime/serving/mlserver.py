"""MLServer as a child process: its environment, its settings, its command line.

One process per server replica, no worker processes (``parallel_workers`` 0): MLServer 1.7.1 leaves
them behind when it is killed, and replicas are how Moorage scales. Starting, watching and ending the
process is the runtime's work.
"""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.capabilities import mlserver_runtimes
from runtime.ports import Artifact, Command, Endpoint, InferenceServer
from runtime.serving import repository
from runtime.serving.environments import DEFAULT_MLSERVER_PACKAGES, Environments, recipe
from runtime.serving.oip import OipClient, OipTimeouts
from runtime.state import EnvironmentFacts
from schemas.errors import InputError
from schemas.specs import ModelSpec
from schemas.template import ServerTemplate

_START = Path(__file__).with_name("mlserver_start.py")
_GRPC_LIMIT = 1048576000  # bytes; the reference's. gRPC's own default is 4 MiB
_GRPC_LIMIT_VARIABLE = "MLSERVER_GRPC_MAX_MESSAGE_LENGTH"
_PASSED = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ")
_TEMPLATE_PREFIXES = ("KMP_", "MKL_", "MLSERVER_", "NUMEXPR_", "OMP_", "OPENBLAS_")
_MODEL_PREFIX = "MLSERVER_MODEL_"  # MLServer would take these for settings of every model


class MLServerProgram:
    """A :class:`~runtime.ports.ServerProgram` that runs MLServer from an environment of its own.

    ``packages`` is the list that the configuration holds for ``server_config``.
    """

    def __init__(
        self,
        server_config: str,
        environments: Environments,
        packages: Sequence[str] = DEFAULT_MLSERVER_PACKAGES,
        timeouts: OipTimeouts | None = None,
    ) -> None:
        self._server_config = server_config
        self._environments = environments
        self._packages = tuple(packages)
        self._recipe = recipe(packages)
        self._timeouts = timeouts

    def facts(self) -> EnvironmentFacts:
        """What the package list provides; builds nothing."""
        runtimes = mlserver_runtimes(self._packages)
        if "mlserver" in runtimes:
            return EnvironmentFacts(self._server_config, runnable=True, runtimes=runtimes)
        message = f"the package list of ServerConfig {self._server_config} has no mlserver in it"
        return EnvironmentFacts(self._server_config, False, (), "NoServerBinary", message)

    async def prepare(self) -> None:
        """Build the environment if it is not there; errors as of :meth:`Environments.build`."""
        facts = self.facts()
        if not facts.runnable:
            raise InputError(facts.reason, facts.message, "add mlserver to the package list")
        await self._environments.build(self._recipe)

    def command(self, folder: Path, endpoint: Endpoint, template: ServerTemplate) -> Command:
        """Write ``settings.json`` and ``models/`` below ``folder``. Needs :meth:`prepare` before it is run.

        InputError ``InvalidServerEnvironment`` where the gRPC limit is no number.
        """
        (folder / repository.MODELS).mkdir(parents=True, exist_ok=True)
        settings = json.dumps(_settings(endpoint, template), indent=2, sort_keys=True)
        (folder / "settings.json").write_text(settings, encoding="utf-8")
        python = self._environments.python(self._recipe)
        # -P: the script's own folder must not become a place that models import from
        argv = (str(python), "-P", str(_START), "start", str(folder))
        return Command(argv, _environment(python.parent, template), folder)

    def connect(self, endpoint: Endpoint) -> InferenceServer:
        """A client for the server that listens at ``endpoint``."""
        return OipClient(endpoint, self._timeouts)

    def lay(self, folder: Path, artifact: Artifact, model: str, number: int, spec: ModelSpec) -> None:
        """As :func:`runtime.serving.repository.lay`."""
        repository.lay(folder, artifact, model, number, spec)

    def remove(self, folder: Path, model: str, number: int) -> None:
        """As :func:`runtime.serving.repository.remove`."""
        repository.remove(folder, model, number)


def _settings(endpoint: Endpoint, template: ServerTemplate) -> dict[str, Any]:
    """MLServer's settings. The file wins over ``MLSERVER_*`` variables, so a template cannot move ports."""
    return {
        "debug": False,  # no tracebacks in answers, no line per request
        "host": endpoint.host,
        "http_port": endpoint.http_port,
        "grpc_port": endpoint.grpc_port,
        "grpc_max_message_length": _grpc_limit(template),
        "metrics_endpoint": "/metrics",
        "metrics_port": _free_port(endpoint.host),
        "parallel_workers": 0,
        "load_models_at_startup": False,  # one broken artifact would end the process
        "tracing_server": None,
        "kafka_enabled": False,
    }


def _grpc_limit(template: ServerTemplate) -> int:
    said = template.environment.get(_GRPC_LIMIT_VARIABLE, str(_GRPC_LIMIT))
    try:
        return int(said)
    except ValueError as error:
        message = f"{_GRPC_LIMIT_VARIABLE} of ServerConfig {template.server_config} is no number of bytes"
        raise InputError("InvalidServerEnvironment", message) from error


def _free_port(host: str) -> int:
    """A port for metrics that is free now. Whoever scrapes reads it from the settings file."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(binaries: Path, template: ServerTemplate) -> Mapping[str, str]:
    """The whole environment of the process: nothing of the controller's but its locale and places."""
    own = {name: os.environ[name] for name in _PASSED if name in os.environ}
    asked = {
        name: value
        for name, value in template.environment.items()
        if name.startswith(_TEMPLATE_PREFIXES) and not name.startswith(_MODEL_PREFIX)
    }
    path = f"{binaries}{os.pathsep}{own.get('PATH', os.defpath)}"
    return {**own, **asked, "PATH": path, "PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1"}
