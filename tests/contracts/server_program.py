"""What every ``ServerProgram`` and its ``InferenceServer`` have to show.

A test module subclasses :class:`ServerProgramContract` and gives it a :class:`Subject`. One server
process serves all facts of a class, so every fact uses model names of its own. Nothing here looks
behind the two protocols but for one inference request over REST, which any client may send.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.ports import Artifact, Command, Endpoint, InferenceServer, ServerProgram
from schemas.errors import InputError, MoorageError, TransientError
from schemas.specs import ModelSpec
from schemas.template import ServerTemplate

START_LIMIT = 120.0  # seconds; a bound for a wait, never an assertion
TEMPLATE = ServerTemplate("mlserver", "mlserver", ("sklearn",), 1_000_000_000, 10, {"OMP_NUM_THREADS": "1"})


@dataclass(frozen=True)
class Subject:
    """A program under test, with an artifact it can serve by ``spec``, one that it lays and cannot
    load, and a request that the good one answers."""

    program: ServerProgram
    good: Artifact
    broken: Artifact
    spec: ModelSpec
    request: Mapping[str, Any]


@dataclass(frozen=True)
class Serving:
    """A running server of the subject."""

    subject: Subject
    folder: Path
    endpoint: Endpoint
    client: InferenceServer

    def lay(self, model: str, number: int = 1, artifact: Artifact | None = None) -> str:
        """Lay a model and return its name on the wire."""
        subject = self.subject
        subject.program.lay(self.folder, artifact or subject.good, model, number, subject.spec)
        return f"{model}_{number}"

    def infer(self, model: str) -> httpx.Response:
        """Send the subject's request straight to the server."""
        root = f"http://{self.endpoint.host}:{self.endpoint.http_port}"
        return httpx.post(f"{root}/v2/models/{model}/infer", json=dict(self.subject.request), timeout=60)


def replica_folder(root: Path) -> Path:
    """A folder as the one-machine runtime lays them out: namespace, server, index, incarnation."""
    folder = root / "default" / "mlserver" / "0" / "1"
    folder.mkdir(parents=True)
    return folder


def free_endpoint() -> Endpoint:
    """Two ports that the kernel says are free."""
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return Endpoint("127.0.0.1", first.getsockname()[1], second.getsockname()[1])


@contextlib.contextmanager
def running(command: Command, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a session of its own and end the whole of it afterwards."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command.argv,
            env=dict(command.env),
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_live(endpoint: Endpoint, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the liveness probe; fails with the log's end where the process ends first."""
    deadline = time.monotonic() + START_LIMIT
    url = f"http://{endpoint.host}:{endpoint.http_port}/v2/health/live"
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5).is_success:
                return
        time.sleep(0.1)
    pytest.fail(f"the server did not come up: {log.read_text(errors='replace')[-2000:]}")


class ServerProgramContract:
    """Subclass it and override the class-scoped fixture ``subject``."""

    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls) -> Subject:
        """The program under test, prepared."""
        pytest.fail("a subclass gives the subject")

    @pytest.fixture(scope="class")
    @classmethod
    def serving(cls, subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
        """One server for all facts of the class."""
        root = tmp_path_factory.mktemp("state")
        folder, log = replica_folder(root), root / "server.log"
        endpoint = free_endpoint()
        with running(subject.program.command(folder, endpoint, TEMPLATE), log) as process:
            wait_until_live(endpoint, process, log)
            yield Serving(subject, folder, endpoint, subject.program.connect(endpoint))

    def test_facts_say_that_it_runs(self, subject: Subject) -> None:
        """Facts name the ServerConfig and at least one runtime, sorted."""
        facts = subject.program.facts()
        assert facts.runnable
        assert facts.runtimes
        assert facts.runtimes == tuple(sorted(facts.runtimes))

    def test_the_environment_of_the_controller_stays_out(self, subject: Subject, tmp_path, monkeypatch):
        """Secrets and proxies of the controller's environment do not reach the server."""
        for name in ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "HTTPS_PROXY", "PYTHONPATH"):
            monkeypatch.setenv(name, "leaked-value")
        command = subject.program.command(replica_folder(tmp_path), free_endpoint(), TEMPLATE)
        assert not [name for name, value in command.env.items() if "leaked-value" in value]

    def test_the_template_reaches_the_server(self, subject: Subject, tmp_path):
        """Thread counts that the ServerConfig sets are in the server's environment."""
        command = subject.program.command(replica_folder(tmp_path), free_endpoint(), TEMPLATE)
        assert command.env["OMP_NUM_THREADS"] == "1"

    @pytest.mark.anyio
    async def test_preparing_again_is_no_error(self, subject: Subject) -> None:
        """prepare() may be called at any time."""
        await subject.program.prepare()

    @pytest.mark.anyio
    async def test_a_running_server_is_live_and_empty_of_unknown_models(self, serving: Serving) -> None:
        """Liveness is true, and a model nobody laid is not ready."""
        assert await serving.client.live()
        assert not await serving.client.model_ready("nobody_1")

    @pytest.mark.anyio
    async def test_a_laid_model_is_not_loaded_by_itself(self, serving: Serving) -> None:
        """Laying a model into the repository of a running server changes nothing that is served."""
        name = serving.lay("laid")
        assert not await serving.client.model_ready(name)
        assert name not in await serving.client.loaded()

    @pytest.mark.anyio
    async def test_a_loaded_model_is_ready_and_answers(self, serving: Serving) -> None:
        """load → ready, in the index, and inference answers with the versioned name and version 1."""
        name = serving.lay("answers")
        await serving.client.load(name)
        assert await serving.client.model_ready(name)
        assert name in await serving.client.loaded()
        answer = serving.infer(name)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["model_name"], answer.json()["model_version"]) == (name, "1")

    @pytest.mark.anyio
    async def test_two_versions_answer_side_by_side(self, serving: Serving) -> None:
        """A new version is loaded beside the old one; both say version 1, the number is in the name."""
        names = [serving.lay("twice", number) for number in (1, 2)]
        for name in names:
            await serving.client.load(name)
        answers = [serving.infer(name).json() for name in names]
        assert [answer["model_name"] for answer in answers] == names
        assert {answer["model_version"] for answer in answers} == {"1"}

    @pytest.mark.anyio
    async def test_loading_again_is_no_error(self, serving: Serving) -> None:
        """A load that is repeated after a crash of the controller leaves the model ready."""
        name = serving.lay("again")
        await serving.client.load(name)
        await serving.client.load(name)
        assert await serving.client.model_ready(name)

    @pytest.mark.anyio
    async def test_unloading_is_idempotent(self, serving: Serving) -> None:
        """After unload the model is gone; unloading it again, or an unknown one, is no error."""
        name = serving.lay("leaves")
        await serving.client.load(name)
        for wanted in (name, name, "nobody_1"):
            await serving.client.unload(wanted)
        assert not await serving.client.model_ready(name)
        assert name not in await serving.client.loaded()

    @pytest.mark.anyio
    async def test_an_unloaded_model_can_be_loaded_again(self, serving: Serving) -> None:
        """load → unload → load ends ready."""
        name = serving.lay("returns")
        await serving.client.load(name)
        await serving.client.unload(name)
        await serving.client.load(name)
        assert await serving.client.model_ready(name)

    @pytest.mark.anyio
    async def test_a_broken_artifact_fails_alone(self, serving: Serving) -> None:
        """Its load is an error with a reason; the server and other models go on; it can be mended."""
        good = serving.lay("healthy")
        await serving.client.load(good)
        bad = serving.lay("broken", artifact=serving.subject.broken)
        with pytest.raises((InputError, TransientError)) as failure:
            await serving.client.load(bad)
        assert bad in failure.value.message
        assert not await serving.client.model_ready(bad)
        assert await serving.client.live()
        assert serving.infer(good).status_code == 200
        await serving.client.load(serving.lay("broken"))
        assert await serving.client.model_ready(bad)

    @pytest.mark.anyio
    async def test_a_model_that_was_never_laid_cannot_be_loaded(self, serving: Serving) -> None:
        """Loading it is an InputError: trying again helps nobody."""
        with pytest.raises(InputError):
            await serving.client.load("nobody_1")

    @pytest.mark.anyio
    async def test_a_removed_model_is_out_of_the_repository(self, serving: Serving) -> None:
        """After unload and remove it cannot be loaded; removing again is no error."""
        name = serving.lay("removed")
        await serving.client.load(name)
        await serving.client.unload(name)
        serving.subject.program.remove(serving.folder, "removed", 1)
        serving.subject.program.remove(serving.folder, "removed", 1)
        with pytest.raises(InputError):
            await serving.client.load(name)

    @pytest.mark.anyio
    async def test_a_silent_port_is_not_live(self, subject: Subject) -> None:
        """Where nothing listens, probes are false and calls are errors to try again."""
        client = subject.program.connect(free_endpoint())
        assert not await client.live()
        assert not await client.model_ready("nobody_1")
        with pytest.raises(TransientError):
            await client.load("nobody_1")

    def test_a_name_that_leaves_the_repository_is_refused(self, subject: Subject, tmp_path) -> None:
        """A model name is one folder below the repository, whatever it says."""
        with pytest.raises(MoorageError):
            subject.program.lay(tmp_path / "in", subject.good, "../out", 1, subject.spec)
        assert not list(tmp_path.glob("out*"))
