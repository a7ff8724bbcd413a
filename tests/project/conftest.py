"""A checkout and a PATH of one's own: bootstrap and CI run in them as on a machine we describe."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = [
    "awk",
    "cat",
    "chmod",
    "cp",
    "dirname",
    "getconf",
    "git",
    "grep",
    "head",
    "ls",
    "mkdir",
    "mv",
    "rm",
    "sed",
    "sh",
    "sha256sum",
    "sleep",
    "tail",
    "tee",
    "tr",
    "uname",
]


@dataclass(frozen=True)
class Machine:
    """A checkout whose path has a blank, and the only folder that PATH names."""

    checkout: Path
    bin: Path

    def install(self, name: str, *lines: str) -> None:
        """Put a program on PATH, or another in its place."""
        self.remove(name)
        program = self.bin / name
        program.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        program.chmod(0o755)

    def remove(self, name: str) -> None:
        """Take a program off PATH."""
        (self.bin / name).unlink(missing_ok=True)

    def run(self, script: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the checkout without input; its chatter is on stderr."""
        return subprocess.run(
            [str(self.checkout / script)],
            env={
                "PATH": str(self.bin),
                "HOME": str(self.checkout.parent),
                "PIP_CONFIG_FILE": os.devnull,
                **env,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    checkout, bin_folder = tmp_path / "a checkout", tmp_path / "bin"
    bin_folder.mkdir()
    for script in ("scripts/bootstrap", ".ci/run", "pyproject.toml", "requirements.lock"):
        (checkout / script).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / script, checkout / script)
    for name in TOOLS:
        (bin_folder / name).symlink_to(str(shutil.which(name)))
    machine = Machine(checkout, bin_folder)
    machine.install("python3.11", f'exec "{sys.executable}" "$@"')
    return machine
