"""scripts/bootstrap says in one line what a machine lacks, before it makes anything."""

import socket
import subprocess
import sys

import pytest

from tests.project.conftest import Machine


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refusal consists of."""
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def test_another_system_is_refused(machine: Machine) -> None:
    """What is not Linux is named together with what to use instead."""
    machine.install("uname", "echo Darwin")
    assert "Linux is needed, this is Darwin" in refusal(machine.run("scripts/bootstrap"))


@pytest.mark.parametrize("version", ["2.30", "2.9", "1.99"])
def test_an_old_glibc_is_refused(machine: Machine, version: str) -> None:
    """A glibc below 2.31 is refused by number, not by spelling."""
    machine.install("getconf", f"echo glibc {version}")
    assert f"glibc 2.31 or newer is needed, this is {version}" in refusal(machine.run("scripts/bootstrap"))


@pytest.mark.parametrize("version", ["2.31", "2.100", "3.0"])
def test_a_new_glibc_is_accepted(machine: Machine, version: str) -> None:
    """From 2.31 on glibc is not what is missing."""
    machine.install("getconf", f"echo glibc {version}")
    machine.remove("git")
    assert "git is needed" in refusal(machine.run("scripts/bootstrap"))


def test_a_system_without_glibc_is_refused(machine: Machine) -> None:
    """Where nothing knows a glibc version, as with musl, glibc is what is asked for."""
    machine.install("getconf", "exit 1")
    assert "none was found" in refusal(machine.run("scripts/bootstrap"))


def test_no_python_is_refused(machine: Machine) -> None:
    """Without any Python the versions that would do are named."""
    machine.remove("python3.11")
    assert "Python 3.11 or 3.12 is needed" in refusal(machine.run("scripts/bootstrap"))


@pytest.mark.parametrize("minor", [10, 13])
def test_only_another_python_is_refused(machine: Machine, minor: int) -> None:
    """A Python that runs but is too old or too new is none."""
    machine.remove("python3.11")
    pretend = f"import sys; sys.version_info = (3, {minor}, 0); exec(sys.argv.pop(1))"
    machine.install("python3", "shift", f'exec "{sys.executable}" -c "{pretend}" "$@"')
    assert "Python 3.11 or 3.12 is needed" in refusal(machine.run("scripts/bootstrap"))


def test_a_shim_that_does_not_run_is_passed_over(machine: Machine) -> None:
    """A python3.12 that only says it is not installed does not hide the python3.11 that runs."""
    machine.install("python3.12", "echo 'python3.12: command not found' >&2", "exit 127")
    machine.remove("git")
    assert "git is needed" in refusal(machine.run("scripts/bootstrap"))


def test_the_named_python_is_looked_at(machine: Machine) -> None:
    """PYTHON names one that is not on PATH."""
    machine.remove("python3.11")
    machine.remove("git")
    assert "git is needed" in refusal(machine.run("scripts/bootstrap", PYTHON=sys.executable))


def test_a_python_without_ensurepip_is_refused(machine: Machine) -> None:
    """Distributions that split the venv module off are told which package brings it."""
    machine.install("python3.11", 'case "$2" in *ensurepip*) exit 1 ;; esac', f'exec "{sys.executable}" "$@"')
    line = refusal(machine.run("scripts/bootstrap"))
    assert "lacks the venv or ensurepip module" in line
    assert "python3-venv" in line


def test_no_git_is_refused(machine: Machine) -> None:
    """Git is asked for by name."""
    machine.remove("git")
    assert "git is needed" in refusal(machine.run("scripts/bootstrap"))


def test_what_is_missing_first_is_named_first(machine: Machine) -> None:
    """System, glibc, Python, git: the first that is missing is the one line."""
    machine.install("getconf", "echo glibc 2.17")
    machine.remove("python3.11")
    machine.remove("git")
    assert "glibc 2.31 or newer is needed" in refusal(machine.run("scripts/bootstrap"))


def test_an_unreachable_index_is_one_line_after_the_progress(machine: Machine) -> None:
    """Where no package index answers, the last line says so and no other line complains."""
    with socket.socket() as unanswered:  # bound and not listening: a connection is refused
        unanswered.bind(("127.0.0.1", 0))
        index = f"http://127.0.0.1:{unanswered.getsockname()[1]}/simple"
        result = machine.run("scripts/bootstrap", PIP_INDEX_URL=index)
    assert result.returncode == 1
    *progress, last = result.stderr.splitlines()
    assert "could not install uv: check the network and the package index" in last
    assert [line.split()[1] for line in progress] == ["making", "installing"]
