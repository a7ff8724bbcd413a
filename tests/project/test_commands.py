"""What the top-level files promise: targets, contracts, the hook."""

import os
import re
import subprocess
import tomllib

import yaml

from tests.project.conftest import ROOT


def contracts() -> dict[str, dict[str, list[str]]]:
    """Import contracts by type."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {contract["type"]: contract for contract in project["tool"]["importlinter"]["contracts"]}


def test_help_lists_every_target() -> None:
    """make alone prints each target that the Makefile has, with what it does."""
    declared = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    result = subprocess.run(
        ["make"], cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    listed = [line.split() for line in result.stdout.splitlines()]
    assert {words[1] for words in listed} == set(declared) - {"environment"}
    assert all(len(words) > 2 for words in listed)


def test_every_target_makes_its_environment_first() -> None:
    """No target needs a step before it: only help, clean and lock (which makes what it needs) do without the environment."""
    targets = dict(re.findall(r"^([a-z]+):(.*?)(?:##.*)?$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    bare = {name for name, needs in targets.items() if "environment" not in needs}
    assert bare == {"clean", "environment", "help", "lock"}


def test_the_rooms_point_one_way() -> None:
    """The layers contract holds the four rooms in the order of the design."""
    assert contracts()["layers"]["layers"] == ["reconciler", "runtime", "placement", "schemas"]


def test_deciding_rooms_are_forbidden_the_world() -> None:
    """schemas and placement may name no clock, no randomness and no I/O."""
    contract = contracts()["forbidden"]
    assert {"schemas", "placement"} <= set(contract["source_modules"])
    assert {"os", "time", "random", "asyncio", "logging"} <= set(contract["forbidden_modules"])


def test_adapters_are_independent() -> None:
    """The runtime's adapters are kept from importing each other."""
    assert {"runtime.gateway", "runtime.local", "runtime.serving"} <= set(
        contracts()["independence"]["modules"]
    )


def test_the_hook_validates_yaml() -> None:
    """The pre-commit hook hands changed YAML to moorage validate, all of it at once."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert (hook["id"], hook["entry"], hook["types"]) == ("moorage-validate", "moorage validate", ["yaml"])
    assert hook["require_serial"]
