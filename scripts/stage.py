"""The stage of ``make demo``: a Git repository made from gitops-example, trained artifacts, a configuration.

Everything lives in ``.demo/`` at the top of the checkout and is made anew on each run, but for the
inference server's environment, which is slow to build. Nothing is started here.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from runtime.serving.environments import Environments, recipe

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "gitops-example"
DEMO = ROOT / ".demo"
STATE = DEMO / "state"
ENVIRONMENTS = STATE / "environments"  # where the controller of this state folder looks for them
CONFIG = DEMO / "moorage.yaml"
WORK = DEMO / "work"

# whoever runs the demo may have hooks, signing or templates configured; the demo's repository has none
_GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


class DemoError(Exception):
    """The demo cannot go on; the message is the one line that says why."""


def say(line: str) -> None:
    """Tell the person who watches."""
    print(f"demo: {line}", flush=True)


@contextlib.contextmanager
def only_one(demo: Path = DEMO) -> Iterator[None]:
    """Hold the demo's folder; DemoError where another demo does."""
    demo.mkdir(exist_ok=True)
    with (demo / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoError("a demo is running in this checkout: end it with Ctrl-C first") from error
        yield


def free_port(variable: str, default: int) -> int:
    """The port that ``variable`` names, or else ``default``; DemoError where somebody listens there."""
    named = os.environ.get(variable) or str(default)
    if not named.isdecimal() or not 0 < int(named) < 65536:
        raise DemoError(f"{variable}={named} is no port: give a number from 1 to 65535")
    port = int(named)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            message = f"port {port} is busy: end what listens there, or set {variable} to another"
            raise DemoError(message) from error
    return port


def clear() -> None:
    """Remove what an earlier demo left, which no longer runs, and keep the environments."""
    for path in [*DEMO.glob("*"), *STATE.glob("*")]:
        if path not in (DEMO / "lock", STATE, ENVIRONMENTS):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)


def write_configuration(gateway_port: int, api_port: int) -> dict[str, Any]:
    """The example's configuration with this demo's folders and ports."""
    config: dict[str, Any] = yaml.safe_load((EXAMPLE / "moorage.yaml").read_text())
    config["state"] = STATE.name
    config["applications"][0]["repository"] = "repository.git"
    config["gateway"]["port"] = gateway_port
    config["api"]["port"] = api_port
    CONFIG.write_text(yaml.safe_dump(config, sort_keys=False))
    return config


def train(packages: list[str]) -> None:
    """Build the environment that models run in and train the artifacts with it."""
    wanted = recipe(packages)
    environments = Environments(ENVIRONMENTS, _say_built)
    if not environments.ready(wanted):
        say("building MLServer's environment; slow the first time, kept for the next")
    asyncio.run(environments.build(wanted))
    say("training three small models")
    script = [str(environments.python(wanted)), str(EXAMPLE / "train.py"), "artifacts"]
    if subprocess.run(script, cwd=DEMO, check=False).returncode:
        raise DemoError("training failed: see above")


def _say_built(line: str) -> None:
    if not line.startswith("+ "):  # one line for each of the many packages
        say(f"  {line}")


def stage_repository() -> str:
    """A bare repository with the example in it, and a clone to work in; returns the commit."""
    bare = DEMO / "repository.git"
    kept_out = shutil.ignore_patterns("artifacts", "secrets", ".moorage", "__pycache__")
    shutil.copytree(EXAMPLE, WORK, ignore=kept_out)
    bare.mkdir()
    _git(bare, "init", "--bare")
    _git(WORK, "init")
    for repository in (bare, WORK):
        _git(repository, "symbolic-ref", "HEAD", "refs/heads/main")
    _git(WORK, "config", "user.name", "Moorage demo")
    _git(WORK, "config", "user.email", "demo@moorage.example")
    _git(WORK, "remote", "add", "origin", str(bare))
    return push("Serve iris")


def change_model() -> str:
    """Push another storageUri for iris; returns the commit."""
    manifest = WORK / "models" / "iris.yaml"
    manifest.write_text(manifest.read_text().replace("/iris-sklearn\n", "/iris-sklearn-v2\n"))
    return push("Serve the new iris")


def push(message: str) -> str:
    """Commit what changed and push it; returns the commit."""
    _git(WORK, "add", "--all")
    _git(WORK, "commit", "--message", message)
    _git(WORK, "push", "origin", "main")
    return _git(WORK, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607 -- the git of whoever runs the demo
        cwd=folder,
        env={**os.environ, **_GIT},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DemoError(f"git {arguments[0]} failed: {' '.join(done.stderr.split())}")
    return done.stdout.strip()
