"""``make demo``: gitops-example served on this machine, and a push that changes it.

What is shown is what the commands show: this file runs ``moorage`` as anybody would and speaks to it over
HTTP. ``ONCE=1`` ends after the change; otherwise it stays up until Ctrl-C. ``MOORAGE_GATEWAY_PORT`` and
``MOORAGE_API_PORT`` choose other ports.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import httpx

from schemas.errors import MoorageError
from scripts import stage
from scripts.stage import CONFIG, DEMO, ROOT, WORK, DemoError, say

LOG = DEMO / "controller.log"
MOORAGE = Path(sys.executable).with_name("moorage")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 600.0  # seconds for any one thing to come about
ROW = '{"inputs": [{"name": "predict", "shape": [1, 4], "datatype": "FP32", "data": [[1, 2, 3, 4]]}]}'


@contextlib.contextmanager
def controller() -> Iterator[subprocess.Popen[bytes]]:
    """``moorage run``, in a session of its own so that Ctrl-C reaches it once, from here."""
    say(f"starting moorage run --config {CONFIG.name} in {DEMO.name} (log: {LOG.relative_to(ROOT)})")
    with LOG.open("wb") as log:
        process = subprocess.Popen(
            [MOORAGE, "run", "--config", CONFIG.name],
            cwd=DEMO,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        for number in SIGNALS:  # a second Ctrl-C must not leave servers behind
            signal.signal(number, signal.SIG_IGN)
        say("stopping the controller and what it started")
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End the controller, by force where it does not end by itself."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    stop_serving()


def stop_serving() -> None:
    """End what a controller that was killed left serving; nothing to do after one that ended."""
    if CONFIG.exists():
        subprocess.run([MOORAGE, "stop"], cwd=DEMO, capture_output=True, check=False)


class Story:
    """The running demo: one controller, its API and its gateway."""

    def __init__(self, process: subprocess.Popen[bytes], gateway: str, api: str) -> None:
        self._process, self._gateway, self._api = process, gateway, api
        self._http = httpx.Client(timeout=10.0, trust_env=False)  # loopback: no proxy
        self._shown = ""

    def wait_ready(self) -> None:
        """Wait until the controller answers."""
        self._until("the controller to be ready", lambda: self._get("/readyz") is not None)

    def wait_served(self, revision: str) -> None:
        """Wait until the commit is synced and all of it healthy, telling what changes on the way."""
        self._until("the application to be Synced and Healthy", lambda: self._is_served(revision))

    def show(self, *arguments: str) -> None:
        """Run a command of moorage's, which finds the controller by the folder, and let it print."""
        print(f"\n$ moorage {' '.join(arguments)}", flush=True)
        done = subprocess.run([MOORAGE, *arguments], cwd=DEMO, check=False)
        print(flush=True)
        if done.returncode:
            raise DemoError(f"moorage {arguments[0]} failed with exit status {done.returncode}")

    def ask_until(self, model: str) -> None:
        """Ask iris through the gateway until that model answers: the experiment shares requests out."""
        self._until(f"{model} to answer", lambda: self._ask() == model)

    def stay(self) -> None:
        """Keep serving until Ctrl-C; DemoError where the controller ends before."""
        print(next_steps(self._gateway), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            raise DemoError(f"the controller ended with status {self._process.wait()}: {last_line(LOG)}")

    def _is_served(self, revision: str) -> bool:
        status = self._get("/api/v1/applications/example") or {}
        seen = (status.get("sync"), status.get("health"), status.get("revision"))
        why = "".join(f"; {each['reason']}: {each['message']}" for each in status.get("conditions", []))
        line = f"  application example: {seen[0]}, {seen[1]} at {str(seen[2])[:10]}{why}"
        if status and line != self._shown:
            say(line)
            self._shown = line
        return seen == ("Synced", "Healthy", revision)

    def _ask(self) -> str:
        try:
            answer = self._http.post(
                f"{self._gateway}/v2/models/iris/infer",
                content=ROW,
                headers={"content-type": "application/json"},
            )
        except httpx.TransportError as error:
            raise DemoError(f"the gateway did not answer: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise DemoError(f"the gateway answered {answer.status_code}: {answer.text[:200]}")
        body = answer.json()
        say(
            f"POST /v2/models/iris/infer [1, 2, 3, 4] → {body['outputs'][0]['data']} from {body['model_name']}"
        )
        return str(body["model_name"])

    def _get(self, path: str) -> dict[str, Any] | None:
        try:
            answer = self._http.get(f"{self._api}{path}")
        except httpx.TransportError:
            return None
        if answer.status_code != httpx.codes.OK:
            return None
        found: dict[str, Any] = answer.json() if answer.text.startswith("{") else {}
        return found

    def _until(self, what: str, true: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE
        while not true():
            if self._process.poll() is not None:
                raise DemoError(f"the controller ended while waiting for {what}: {last_line(LOG)}")
            if time.monotonic() > give_up:
                raise DemoError(f"waited {PATIENCE:.0f} s for {what}: see {LOG.relative_to(ROOT)}")
            time.sleep(0.3)


def last_line(path: Path) -> str:
    """The last line of a log that says anything."""
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines()]
    return next(filter(None, reversed(lines)), "its log is empty")


def next_steps(gateway: str) -> str:
    """What to type into another terminal."""
    return f"""
It stays up until Ctrl-C. To try in another terminal, in this folder:

  curl -s {gateway}/v2/models/iris/infer -H 'Content-Type: application/json' \\
    -d '{ROW}'
  cd {DEMO.name}
  ../.venv/bin/moorage get models -o wide
  ../.venv/bin/moorage explain model/iris
  # edit a manifest below {WORK.name}/, then
  git -C {WORK.name} commit -am 'Try it' && git -C {WORK.name} push origin main
"""


def tell(story: Story, first: str) -> None:
    """The demo itself."""
    story.wait_ready()
    story.wait_served(first)
    story.show("get", "models")
    story.show("status")
    story.ask_until("iris_1")
    say("pushing a change: iris gets another storageUri")
    story.wait_served(stage.change_model())
    story.show("get", "models")
    story.ask_until("iris_2")


def run() -> None:
    """Stage everything, start the controller, tell the story."""
    with stage.only_one():
        stop_serving()
        gateway_port = stage.free_port("MOORAGE_GATEWAY_PORT", 9000)
        api_port = stage.free_port("MOORAGE_API_PORT", 9080)
        stage.clear()
        config = stage.write_configuration(gateway_port, api_port)
        stage.train(config["serverConfigs"]["mlserver"]["packages"])
        first = stage.stage_repository()
        with controller() as process:
            story = Story(process, f"http://127.0.0.1:{gateway_port}", f"http://127.0.0.1:{api_port}")
            tell(story, first)
            if not os.environ.get("ONCE"):
                story.stay()


def interrupt(*_: object) -> NoReturn:
    """End the way Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> int:
    """Exit status 0, or the reason in one line and 1; 130 where it was interrupted on the way."""
    for number in SIGNALS:
        signal.signal(number, interrupt)
    try:
        run()
    except KeyboardInterrupt:
        return 130
    except (DemoError, MoorageError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
