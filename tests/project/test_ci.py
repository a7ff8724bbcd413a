""".ci/run is the developer's own two commands."""

from pathlib import Path

from tests.project.conftest import Machine


def run(machine: Machine, calls: Path, failing: str = "") -> tuple[int, str, list[str]]:
    """Exit status, output and the make targets that were asked for."""
    machine.install("make", f'echo "$@" >>"{calls}"', f'[ "$1" != "{failing}" ]')
    machine.install("bash", 'exec /bin/bash "$@"')
    result = machine.run(".ci/run", CI="true")
    return result.returncode, result.stdout, calls.read_text().split()


def test_check_then_test(machine: Machine, tmp_path: Path) -> None:
    """Both commands run, in this order."""
    status, _, calls = run(machine, tmp_path / "calls")
    assert (status, calls) == (0, ["check", "test"])


def test_each_step_is_named(machine: Machine, tmp_path: Path) -> None:
    """A log says which step runs."""
    _, output, _ = run(machine, tmp_path / "calls")
    assert [line for line in output.splitlines() if line] == ["=== make check", "=== make test"]


def test_a_failed_step_is_the_end(machine: Machine, tmp_path: Path) -> None:
    """Where check fails CI fails, and the tests are not run."""
    status, _, calls = run(machine, tmp_path / "calls", failing="check")
    assert status != 0
    assert calls == ["check"]
