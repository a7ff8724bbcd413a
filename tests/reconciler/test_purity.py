"""Deciding is pure and the same everywhere: held by the linter, and by plans made in other processes."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "placement", "runtime", "reconciler")
DOING = frozenset(
    f"reconciler.{name}"
    for name in (
        "address", "answers", "compose", "config", "config_file", "control.commands", "control.followed", "control.going_back", "control.intent_store", "control.loop",
        "control.rebalancer", "control.work", "ending", "history", "offline", "reload", "server_log", "sync",
    )
)  # fmt: skip
"""Modules that do things or only name them; every other one beside them has to be in the contract."""

PLAN = """
import asyncio, json
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY, desired, experiment, model, server, settle
from reconciler.planning.barriers import steps
from reconciler.planning.planner import plan
from schemas.codec import encode

async def story():
    world = SimulatedRuntime()
    names = ["a", "b", "c", "d", "e"]
    before = [server("s1", replicas=2), server("s2"), *(model(n, memory="300M") for n in names)]
    split = experiment("ab", {"a": 1, "b": 2}, default="a", mirror={"name": "c", "percent": 5})
    await settle(desired(*before, split), world)
    labels = {"podSpec": {"nodeSelector": {n: n for n in names}}}
    after = [server("s1", replicas=2, **labels), *(model(n, memory="400M", replicas=2, minReplicas=1) for n in names)]
    todo = plan(desired(*after, split), await world.observe(), POLICY)
    print(json.dumps([todo.digest, todo.basis, encode(todo), [[s.id, s.after] for s in steps(todo)]]))

asyncio.run(story())
"""


def made_with(seed: str) -> str:
    """The same plan, made by a process that hashes strings its own way."""
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PLAN], env=environment, capture_output=True, check=True, cwd=ROOT
    )
    return done.stdout.decode()


def test_plan_is_the_same_in_every_process():
    """Digests, JSON and the order of steps do not depend on how a process hashes."""
    assert made_with("1") == made_with("2") == made_with("3")


def contract() -> set[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {
        module
        for each in settings
        if each["name"].startswith("Deciding")
        for module in each["source_modules"]
    }


def test_contract_names_every_deciding_module():
    """A new module beside the loop is either in the contract or known to do things."""
    beside = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for folder in ("reconciler", "reconciler/control")
        for file in (ROOT / folder).glob("*.py")
        if file.stem != "__init__"
    }
    assert beside - contract() == DOING


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The rooms and their contracts, to be spoilt."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    linter = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [linter, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("reconciler/planning/planner.py", "import time", "Deciding is pure"),
        ("schemas/semantics/server.py", "from random import choice", "Deciding is pure"),
        ("placement/engine.py", "import asyncio.tasks", "Deciding is pure"),
        ("runtime/routes.py", "import reconciler.planning.plan", "The rooms"),
        ("runtime/serving/oip.py", "import runtime.local.runtime", "adapters do not know"),
    ],
)
def test_contract_breaks_where_it_should(copy, file, line, broken):
    """One import too many anywhere is found and named."""
    spoilt = copy / file
    before = spoilt.read_text()
    spoilt.write_text(f"{before}\n{line}\n")
    try:
        done = lint(copy)
    finally:
        spoilt.write_text(before)
    assert done.returncode == 1
    assert [text for text in done.stdout.splitlines() if "BROKEN" in text and broken in text]


def test_contract_holds_otherwise(copy):
    """The copy that the other tests spoil is itself in order."""
    assert lint(copy).returncode == 0
