"""A Gitea of our own on loopback: SQLite, a free port, an administrator; ended with all that it started."""

import contextlib
import itertools
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Self

import httpx

from tests.ports import free_port
from tests.testbed.gitea_api import Api, User

ADMINISTRATOR, PASSWORD = "root-of-all", "correct horse battery staple"
START_SECONDS = 60.0
END_SECONDS = 20.0

_SETTINGS = """
WORK_PATH = {folder}
RUN_MODE = prod

[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = {url}/
DISABLE_SSH = true
LFS_START_SERVER = false
OFFLINE_MODE = true
{static}

[database]
DB_TYPE = sqlite3

[repository]
DEFAULT_BRANCH = main

[security]
INSTALL_LOCK = true

[service]
DISABLE_REGISTRATION = true

[webhook]
ALLOWED_HOST_LIST = loopback

[indexer]
ISSUE_INDEXER_TYPE = db

[actions]
ENABLED = false

[packages]
ENABLED = false

[log]
MODE = console
LEVEL = Info
"""


class Gitea:
    """``folder`` keeps everything, its log too; ``url`` is where it answers."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "gitea.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._program = program
        self._settings = folder / "app.ini"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(
            _SETTINGS.format(folder=self.folder, port=self.port, url=self.url, static=self._static())
        )
        self._run("migrate")
        names = ["--username", ADMINISTRATOR, "--password", PASSWORD, "--email", "root@example.org"]
        self._run("admin", "user", "create", *names, "--admin", "--must-change-password=false")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Run it until it answers, on the port that it always has."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("web"),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            went_on = self._process.poll() is None and time.monotonic() < end
            assert went_on, f"Gitea does not answer; all of it: {self.log}\n{self.log_end()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it and whatever it started."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.terminate()
            self._process.wait(END_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def log_end(self) -> str:
        """What it said last."""
        return self.log.read_text(errors="replace")[-4000:]

    def create_user(self, name: str) -> User:
        """Somebody new, with a token that may do whatever they may; a number makes the name theirs alone."""
        name = f"{name}-{next(self._numbers)}"
        wanted = {
            "username": name,
            "email": f"{name}@example.org",
            "password": PASSWORD,
            "must_change_password": False,
        }
        with Api.by_password(self.url, ADMINISTRATOR, PASSWORD) as api:
            api.post("/admin/users", **wanted)
        return User.log_in(self.url, name, PASSWORD)

    def _static(self) -> str:
        """A build of the testbed reads these folders; others have them inside."""
        beside = self._program.resolve().parent
        return f"STATIC_ROOT_PATH = {beside}" if (beside / "templates").is_dir() else ""

    def _command(self, *words: str) -> list[str]:
        return [str(self._program), "--work-path", str(self.folder), "--config", str(self._settings), *words]

    def _environment(self) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        own = {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
        # It refuses root, whose account is the only one where tests run in a container.
        return {"PATH": os.environ["PATH"], "GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT": "true", **own}

    def _run(self, *words: str) -> None:
        done = subprocess.run(
            self._command(*words), env=self._environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"gitea {' '.join(words)}:\n{done.stdout}\n{done.stderr}"

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/healthz", trust_env=False, timeout=5).is_success
        except httpx.TransportError:
            return False
