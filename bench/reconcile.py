"""From a commit to a plan and to applied, beside Git's and YAML's own cost: ``python -m bench.reconcile``.

Model loads are taken out (a simulated runtime), so what is left is our own time. Floors are measured in
the same run: ``git diff-tree`` between the two commits, and PyYAML's C loader on the same bytes. Medians
of several rounds; on a shared machine only the ratios mean something.
"""

import asyncio
import gc
import logging
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pygit2
import structlog
import yaml

from reconciler.compose import YOUNG_OBJECTS
from reconciler.config import ApplicationConfig
from reconciler.control.intent_store import IntentStore
from reconciler.control.loop import Controller
from reconciler.history import History
from reconciler.planning.planner import Policy, plan
from reconciler.source.application import GitApplication
from schemas.defaults import default_server_configs
from schemas.load import combine, read_file
from tests.fakes.simulated import SimulatedRuntime

SIZES = (10, 10_000)
ROUNDS = 7
MODEL = """\
# yaml-language-server: $schema=https://moorage.dev/schemas/v1alpha1/model.schema.json
apiVersion: mlops.seldon.io/v1alpha1
kind: Model
metadata:
  name: {name}model-{index:05d}
  labels:
    team: bench
spec:
  storageUri: gs://models/model-{index:05d}/{version}
  requirements:
  - sklearn
  memory: 1M
"""
SERVER = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Server
metadata:
  name: mlserver
spec:
  serverConfig: mlserver
  replicas: 20
"""


class Repository:
    """A bare repository with ``size`` models, one file each, whose names begin with ``name``, and with a
    server where it is to have one."""

    def __init__(self, folder: Path, size: int, name: str = "", *, server: bool = True) -> None:
        self.folder = folder
        self.git = pygit2.init_repository(str(folder), bare=True)
        self.name, self.size, self.versions = name, size, 1
        self.files = dict(map(self._model, range(size)))
        if server:
            self.files["servers/mlserver.yaml"] = SERVER
        self.index = pygit2.Index()
        for path, text in self.files.items():
            self._put(path, text)
        self.commit()

    def _model(self, number: int) -> tuple[str, str]:
        """Path and text of a model's manifest."""
        text = MODEL.format(name=self.name, index=number, version=self.versions)
        return f"models/{number // 100:03d}/model-{number:05d}.yaml", text

    def _put(self, path: str, text: str) -> None:
        blob = self.git.create_blob(text.encode())
        self.index.add(pygit2.IndexEntry(path, blob, pygit2.enums.FileMode.BLOB))

    def commit(self) -> str:
        """Commit what was put and move ``main``."""
        who = pygit2.Signature("bench", "bench@example.com")
        parents = [] if self.git.is_empty else [self.git.references["refs/heads/main"].target]
        tree = self.index.write_tree(self.git)
        return str(self.git.create_commit("refs/heads/main", who, who, "bench", tree, parents))

    def head(self) -> str:
        """The commit that ``main`` names."""
        return str(self.git.references["refs/heads/main"].target)

    def change_one(self, number: int = 0) -> str:
        """A commit that gives one model another ``storageUri``."""
        self.versions += 1
        self._put(*self._model(number))
        return self.commit()

    def branch_off(self, name: str, number: int) -> str:
        """A branch on which one model has another ``storageUri``; ``main`` stays where it is."""
        main, versions = self.git.references["refs/heads/main"].target, self.versions
        made = self.change_one(number)
        self.git.references.create(f"refs/heads/{name}", made, force=True)
        self.git.references["refs/heads/main"].set_target(main)
        self.versions = versions
        self._put(*self._model(number))
        return made

    def change_all(self) -> str:
        """A commit that gives every model another ``storageUri``."""
        self.versions += 1
        for number in range(self.size):
            self._put(*self._model(number))
        return self.commit()

    def change_nothing(self) -> str:
        """A commit that touches no manifest."""
        self.versions += 1
        self._put("README.md", f"round {self.versions}\n")
        return self.commit()


def median(work: Callable[[], Any], prepare: Callable[[], Any] = lambda: None, rounds: int = ROUNDS) -> float:
    """Median wall seconds of ``work``; ``prepare`` is not counted."""
    times = []
    for _ in range(rounds):
        prepare()
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def report(label: str, seconds: float, floor: float | None = None, of: str = "") -> None:
    """One line: milliseconds and the ratio to the floor."""
    ratio = f"   {seconds / floor:6.2f} × {of} ({floor * 1000:.1f} ms)" if floor else ""
    print(f"{label:<58}{seconds * 1000:>9.1f} ms{ratio}", flush=True)


def diff_tree(repository: Repository, before: str = "main~1", after: str = "main") -> float:
    """Floor: ``git diff-tree`` over two commits, the last one by default; the process's start included."""
    argv = ["git", "-C", str(repository.folder), "diff-tree", "-r", before, after]
    return median(lambda: subprocess.run(argv, check=True, capture_output=True))


def measure_cold(size: int, repository: Repository) -> None:
    """Everything parsed, checked and joined from nothing."""
    data = {path: text.encode() for path, text in repository.files.items()}
    floor = median(lambda: [yaml.load(d, Loader=yaml.CSafeLoader) for d in data.values()], rounds=3)
    ours = median(lambda: combine(read_file(p, d, "default") for p, d in data.items()), rounds=3)
    report(f"cold load of {size:,} manifests", ours, floor, "YAML C parse")


def application(repository: Repository, folder: Path) -> GitApplication:
    """A source that follows ``main``."""
    return GitApplication(config(repository), folder)


def config(repository: Repository) -> ApplicationConfig:
    """An application that follows ``main`` and is only polled rarely."""
    return ApplicationConfig(
        "bench", str(repository.folder), "main", interval=timedelta(hours=1).total_seconds()
    )


def measure_noop(size: int, repository: Repository, folder: Path) -> None:
    """A commit that touches no manifest, and no commit at all: Git's side only."""
    source = application(repository, folder)
    source.read()
    repository.change_nothing()
    floor = diff_tree(repository)
    report(
        f"no-op at {size:,}: new commit, same manifests",
        median(source.read, repository.change_nothing),
        floor,
        "git diff-tree",
    )
    report(f"no-op at {size:,}: nothing new", median(source.read), floor, "git diff-tree")


def policy() -> Policy:
    """The built-in ServerConfigs, everything may be pruned."""
    return Policy(server_configs={r.key.name: r.spec for r in default_server_configs("default")})  # type: ignore[misc]  # all are ServerConfigs


async def settled(history: History, revision: str) -> float:
    """Wall time at which the sync of ``revision`` was first seen done."""
    while True:
        last = next(iter(history.syncs("bench", limit=1)), None)
        if last is not None and last.revision == revision and last.phase == "Succeeded":
            return time.perf_counter()
        await asyncio.sleep(0.001)


async def measure_push(size: int, repository: Repository, folder: Path) -> None:
    """From the moved ref to the sync's end: one model of ``size`` changed."""
    history = History(folder / "history.db")
    runtime, intents = SimulatedRuntime(), IntentStore(folder / "intent.db")
    source = GitApplication(config(repository), folder)
    controller = Controller([source], runtime, policy(), history, intents)
    task = asyncio.create_task(controller.run())
    await settled(history, repository.head())
    await asyncio.sleep(0.5)
    gc.collect()
    times = []
    for _ in range(ROUNDS):
        revision = repository.change_one()
        start = time.perf_counter()
        times.append(await settled(history, revision) - start)
        await asyncio.sleep(0.5)
    report(
        f"push → applied, 1 of {size:,} changed",
        statistics.median(times),
        diff_tree(repository),
        "git diff-tree",
    )
    live = await runtime.observe()
    desired = application(repository, folder).read()
    report(f"  of which a whole plan at {size:,}", median(lambda: plan(desired, live, policy())))
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        await runtime.observe()
        times.append(time.perf_counter() - start)
    report(f"  of which observing the (simulated) runtime at {size:,}", statistics.median(times))
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    history.close()


def main() -> None:
    """Print the table."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)  # as the controller runs
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            repository = Repository(folder / "repository.git", size)
            measure_cold(size, repository)
            measure_noop(size, repository, folder / "mirrors")
            asyncio.run(measure_push(size, repository, folder))


if __name__ == "__main__":
    main()
