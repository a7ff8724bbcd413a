"""A controller as somebody runs it: a folder with a configuration, a repository and a state folder.

Everything is asked through what people have: the command line, the API, the gateway, and what the
operating system tells about processes.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.e2e.clients import Caller, SteadyRequests
from tests.e2e.manifests import Manifest, tree
from tests.e2e.parts import BUCKET, ENVIRONMENTS, LEAN_PACKAGES
from tests.e2e.repository import Repository
from tests.ports import free_port

MOORAGE = Path(sys.executable).with_name("moorage")
APPLICATION = "team"
BOUND = 150.0  # seconds for any one thing to come about; never an assertion about speed


class World:
    """One state folder and whoever controls it; ``settings`` are those of the configuration file."""

    def __init__(self, folder: Path, bucket: Path, **settings: Any) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.artifacts = folder / "artifacts"
        self.artifacts.mkdir(parents=True)
        self.state.mkdir()
        (self.state / "environments").symlink_to(ENVIRONMENTS)
        self.repository = Repository(folder)
        self.port = free_port()
        self.caller = Caller(self.port)
        self.process: subprocess.Popen[bytes] | None = None
        self._bucket = bucket
        self.configure(**settings)
        self._api = httpx.Client(timeout=30, trust_env=False)

    # The controller's life.

    def configure(self, **settings: Any) -> None:
        """Write the configuration file, which the next start reads."""
        config = {
            "state": "state",
            "applications": [
                {
                    "name": APPLICATION,
                    "repository": "repository.git",
                    "revision": "main",
                    # Stories follow one another in one world, and each replaces all of the last one's.
                    "sync": {"maxPrune": 100},
                }
            ],
            "serverConfigs": {"lean": {"packages": list(LEAN_PACKAGES)}},
            "storage": {"allow": ["artifacts"], "map": [{"from": BUCKET, "to": str(self._bucket)}]},
            "gateway": {"port": self.port},
            "api": {"port": 0},
            **settings,
        }
        (self.folder / "moorage.yaml").write_text(yaml.safe_dump(config))

    def start(self) -> None:
        """``moorage run``, until it says that it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [MOORAGE, "run", "--config", "moorage.yaml"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.until("the controller to be ready", self._is_ready)

    def signal(self, number: signal.Signals) -> int:
        """Send the controller a signal and wait for its end; its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        status = self.process.wait(BOUND)
        self.process = None
        return status

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of moorage's, in the folder where it finds the configuration."""
        return subprocess.run(
            [MOORAGE, *arguments], cwd=self.folder, capture_output=True, text=True, check=False, timeout=BOUND
        )

    def close(self) -> None:
        """End everything; AssertionError where a process is left."""
        if self.process is not None:
            self.signal(signal.SIGTERM)
        self.run("stop")
        self.caller.close()
        self._api.close()
        left = self.processes()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not left, f"left behind: {left}"

    # What Git says.

    def push(self, *manifests: Manifest, files: Mapping[str, str] | None = None) -> str:
        """Make these manifests, and ``files``, all that the repository has."""
        return self.repository.push({**tree(*manifests), **(files or {})})

    def deploy(self, *manifests: Manifest, health: str = "Healthy") -> str:
        """Push, and wait until that is synced with that health."""
        revision = self.push(*manifests)
        self.settled(revision, health=health)
        return revision

    # What the controller says.

    def get(self, path: str, **query: str) -> Any:
        """A JSON answer of the API."""
        answer = self._api.get(f"{self._address()['url']}{path}", params=query)
        answer.raise_for_status()
        return answer.json()

    def page(self, path: str, **query: str) -> httpx.Response:
        """What a browser gets."""
        answer = self._api.get(f"{self._address()['url']}{path}", params=query)
        answer.raise_for_status()
        return answer

    def page_status(self, path: str, **query: str) -> int:
        """How a page is answered."""
        return self._api.get(f"{self._address()['url']}{path}", params=query).status_code

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """A JSON answer to a JSON body."""
        answer = self._api.post(f"{self._address()['url']}{path}", json=dict(body))
        assert answer.is_success, answer.text
        return answer.json()

    def refresh(self) -> None:
        """Let the controller look at the repository now."""
        self._api.post(
            f"{self._address()['url']}/api/v1/applications/{APPLICATION}/refresh"
        ).raise_for_status()

    def status(self) -> dict[str, Any]:
        """The application's status."""
        found: dict[str, Any] = self.get(f"/api/v1/applications/{APPLICATION}")
        return found

    def plan(self) -> dict[str, Any]:
        """What a sync would do now."""
        found: dict[str, Any] = self.get(f"/api/v1/applications/{APPLICATION}/plan")
        return found

    def explain(self, name: str) -> dict[str, Any]:
        """Why a model is where it is."""
        found: dict[str, Any] = self.get(
            f"/api/v1/applications/{APPLICATION}/explain", model=f"default/{name}"
        )
        return found

    def resource(self, kind: str, name: str) -> dict[str, Any]:
        """One resource of the application's status: sync, health, file, line."""
        found = [
            r for r in self.status()["resources"] if (r["key"]["kind"], r["key"]["name"]) == (kind, name)
        ]
        assert len(found) == 1, f"{kind} {name}: {found}"
        return found[0]  # type: ignore[no-any-return]

    def health(self, kind: str, name: str) -> tuple[str, str]:
        """Status and reason of one resource's health."""
        found = self.resource(kind, name)["health"]
        return found["status"], found["reason"]

    def objects(self, kind: str) -> dict[str, dict[str, Any]]:
        """Applied resources of a kind by name, as ``moorage get -o json`` has them."""
        return {item["metadata"]["name"]: item for item in self.get("/api/v1/resources", kind=kind)["items"]}

    def replicas(self, name: str) -> dict[str, str]:
        """Where a model is: ``server/index`` → ``iris_1 Loaded``."""
        listed = self.objects("Model")[name]["status"]["moorage"]["replicas"]
        return {f"{r['server']}/{r['index']}": f"{r['version']} {r['state']}" for r in listed}

    def settled(self, revision: str, *, sync: str = "Synced", health: str = "Healthy") -> None:
        """Wait until the application is at ``revision`` and its plan is empty."""

        def is_settled() -> bool:
            status = self.status()
            seen = (status["revision"], status["sync"], status["health"])
            return seen == (revision, sync, health) and self.next_plan_is_empty()

        self.until(f"{sync} and {health} at {revision[:7]}", is_settled)

    def next_plan_is_empty(self) -> bool:
        """True where a sync would change nothing."""
        plan = self.plan()
        return not any(plan[part] for part in ("changes", "serverMoves", "loads", "unloads", "routes"))

    def syncs(self) -> int:
        """How many syncs were begun so far: the id of the last one."""
        last = self.status()["lastSync"]
        return last["id"] if last else 0

    # What the operating system says.

    def processes(self) -> dict[int, str]:
        """Every process at work below the state folder, by id: ``gateway`` or ``mlserver/0``."""
        found = {}
        for entry in Path("/proc").iterdir():
            role = self._role(entry) if entry.name.isdecimal() else None
            if role is not None:
                found[int(entry.name)] = role
        return found

    def pid(self, role: str) -> int:
        """The one process of that role."""
        pids = [pid for pid, found in self.processes().items() if found == role]
        assert len(pids) == 1, f"{role}: {pids}"
        return pids[0]

    def runs_what_is_wanted(self) -> bool:
        """True where one gateway runs, one process per wanted server replica, and nothing else."""
        servers = self.objects("Server").items()
        wanted = [
            f"{name}/{index}" for name, each in servers for index in range(each["spec"].get("replicas", 1))
        ]
        return sorted(self.processes().values()) == sorted(["gateway", *wanted])

    def version(self, name: str) -> str:
        """The version of a model that all its replicas have, as it answers: ``iris_1``."""
        (version,) = {found.split()[0] for found in self.replicas(name).values()}
        return version

    def inferences(self, server: str, model: str) -> int:
        """How many inferences MLServer itself counts for ``model`` (``iris_1``) on ``server/index``."""
        folder = Path(f"/proc/{self.pid(server)}/cwd").resolve()
        port = json.loads((folder / "settings.json").read_text())["metrics_port"]
        lines = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text.splitlines()
        wanted = "model_infer_request_success_total{"
        counts = [line for line in lines if line.startswith(wanted) and f'model="{model}"' in line]
        return sum(int(float(line.rpartition(" ")[2])) for line in counts)

    # Waiting.

    def until(self, what: str, fact: Callable[[], object]) -> None:
        """Wait until ``fact`` holds."""
        end = time.monotonic() + BOUND
        while not self._holds(fact):
            alive = self.process is None or self.process.poll() is None
            assert alive, f"the controller ended while waiting for {what}:\n{self._log_end()}"
            assert time.monotonic() < end, f"still waiting for {what}:\n{self._situation()}"
            time.sleep(0.1)

    def steady_requests(self, name: str) -> SteadyRequests:
        """Requests for ``name`` as long as the block lasts."""
        return SteadyRequests(self.port, name)

    @property
    def url(self) -> str:
        """Where the API answers."""
        return str(self._address()["url"])

    @property
    def log(self) -> Path:
        return self.folder / "controller.log"

    @staticmethod
    def _holds(fact: Callable[[], object]) -> bool:
        try:
            return bool(fact())
        except httpx.TransportError:
            return False

    def _is_ready(self) -> bool:
        try:
            return self._address()["pid"] == self._pid() and bool(self.get("/readyz")["ready"])
        except (FileNotFoundError, httpx.HTTPError):
            return False

    def _pid(self) -> int | None:
        return self.process.pid if self.process else None

    def _address(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.state / "controller.json").read_text())
        return found

    def _role(self, entry: Path) -> str | None:
        try:
            below = (entry / "cwd").resolve().relative_to(self.state).parts
        except (OSError, ValueError):
            return None
        return "/".join(below[2:4]) if below[:1] == ("servers",) else "gateway"

    def _situation(self) -> str:
        status = {**self.status(), "plan": self.plan()}
        return f"{json.dumps(status, indent=1)}\n{self._log_end()}"

    def _log_end(self) -> str:
        return self.log.read_text(errors="replace")[-6000:]
