"""scripts/bootstrap works when something changed, and only then.

Its Python and uv are stand-ins that note what they are asked: what is shown here is when the script
acts. That real ones make a working environment is shown by every run of ``make test``.
"""

import os
from pathlib import Path

import pytest

from tests.project.conftest import Machine

PYTHON = r"""
case "$1 $2" in
"--version ") echo "Python ${FAKE_VERSION:-3.11.9}"; exit ;;
"-c "*) exit ;;
"-m venv") rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
"-m pip")
    [ "$3" = install ] || exit 1
    printf '#!/bin/sh\necho uv "$@" >>"$CALLS"\nexit "${UV_EXIT:-0}"\n' >.venv/bin/uv
    chmod +x .venv/bin/uv ;;
esac
echo "$2" >>"$CALLS"
"""
MADE = ["venv", "pip", "uv", "uv"]
UPDATED = ["pip", "uv", "uv"]


class Bootstrap:
    """Runs the script and tells what Python and uv were asked."""

    def __init__(self, machine: Machine, calls: Path) -> None:
        self.machine, self.calls = machine, calls

    def __call__(self, status: int = 0, **env: str) -> list[str]:
        self.calls.write_text("")
        result = self.machine.run("scripts/bootstrap", CALLS=str(self.calls), **env)
        assert result.returncode == status, result.stderr
        return [line.split()[0] for line in self.calls.read_text().splitlines()]


@pytest.fixture
def bootstrap(machine: Machine, tmp_path: Path) -> Bootstrap:
    machine.install("python3.11", PYTHON)
    return Bootstrap(machine, tmp_path / "calls")


def test_the_first_run_makes_the_environment(bootstrap: Bootstrap) -> None:
    """venv, then uv by pip, then the locked packages and the project by uv."""
    assert bootstrap() == MADE


def test_the_second_run_does_nothing(bootstrap: Bootstrap) -> None:
    """With nothing changed no program of the environment is asked for anything but its version."""
    bootstrap()
    assert bootstrap() == []


def test_the_locked_packages_are_checked_by_hash(bootstrap: Bootstrap) -> None:
    """uv takes the lock with its hashes, and pip takes uv from the same lock."""
    bootstrap()
    assert "uv pip install --python .venv/bin/python --require-hashes -r requirements.lock" in (
        bootstrap.calls.read_text()
    )
    pin = (bootstrap.machine.checkout / ".venv/uv.lock").read_text()
    assert pin.startswith("uv==")
    assert pin.count("--hash=sha256:") == pin.count("\n") - 1


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_updates_in_place(bootstrap: Bootstrap, changed: str) -> None:
    """What is installed is brought up to date without making the environment anew."""
    bootstrap()
    with (bootstrap.machine.checkout / changed).open("a") as file:
        file.write("# changed\n")
    assert bootstrap() == UPDATED
    assert bootstrap() == []


def test_an_interrupted_install_is_made_anew(bootstrap: Bootstrap) -> None:
    """A run that did not come to its end leaves no stamp, so the next one trusts nothing it left."""
    assert bootstrap(1, UV_EXIT="1") == ["venv", "pip", "uv"]
    assert bootstrap() == MADE


def test_an_interrupted_update_is_made_anew(bootstrap: Bootstrap) -> None:
    """An environment that was whole before is not trusted after an update broke off."""
    bootstrap()
    (bootstrap.machine.checkout / "pyproject.toml").write_text("")
    assert bootstrap(1, UV_EXIT="1") == ["pip", "uv"]
    assert bootstrap() == MADE


def test_another_python_version_is_made_anew(bootstrap: Bootstrap) -> None:
    """An environment whose Python has become another one is not kept."""
    bootstrap()
    assert bootstrap(FAKE_VERSION="3.12.4") == MADE


def test_another_python_asked_for_is_made_anew(bootstrap: Bootstrap, tmp_path: Path) -> None:
    """PYTHON of the same version changes nothing; of another version it is a wish for that one."""
    bootstrap()
    same, other = tmp_path / "same", tmp_path / "other"
    for path, version in ((same, "3.11.9"), (other, "3.12.4")):
        path.write_text(f"#!/bin/sh\nFAKE_VERSION={version}\n{PYTHON}")
        path.chmod(0o755)
    assert bootstrap(PYTHON=str(same)) == []
    assert bootstrap(PYTHON=str(other)) == MADE


def test_a_moved_checkout_is_made_anew(bootstrap: Bootstrap, tmp_path: Path) -> None:
    """Scripts in an environment name its folder, so it does not survive a move."""
    bootstrap()
    moved = tmp_path / "moved"
    bootstrap.machine.checkout.rename(moved)
    assert Bootstrap(Machine(moved, bootstrap.machine.bin), bootstrap.calls)() == MADE


def test_the_index_that_pip_knows_is_handed_to_uv(bootstrap: Bootstrap) -> None:
    """uv does not read pip's settings: a mirror named there is used all the same."""
    index = "https://mirror.example/simple"
    bootstrap.machine.install("python3.11", PYTHON.replace('echo uv "$@"', 'echo "$UV_DEFAULT_INDEX" "$@"'))
    assert bootstrap(PIP_INDEX_URL=index) == ["venv", "pip", index, index]


def test_nothing_is_written_to_stdout(bootstrap: Bootstrap) -> None:
    """Progress is chatter: it goes to stderr and ends with ready."""
    result = bootstrap.machine.run("scripts/bootstrap", CALLS=os.devnull)
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1] == "bootstrap: ready"
