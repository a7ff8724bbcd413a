""".ci/run is the developer's own commands, and skips nothing."""

from pathlib import Path

from tests.project.conftest import Machine


def run(machine: Machine, calls: Path, failing: str = "") -> tuple[int, str, list[str]]:
    """Exit status, output and what make was asked for, call by call."""
    machine.install("make", f'echo "$@" >>"{calls}"', f'[ "$1" != "{failing}" ]')
    machine.install("bash", 'exec /bin/bash "$@"')
    result = machine.run(".ci/run", CI="true")
    return result.returncode, result.stdout, calls.read_text().splitlines()


def test_check_then_test(machine: Machine, tmp_path: Path) -> None:
    """What is quick comes first; the tests come once their parts are there."""
    status, _, calls = run(machine, tmp_path / "calls")
    assert (status, calls) == (0, ["check", "testbed", "test ARGS=--no-skips"])


def test_each_step_is_named(machine: Machine, tmp_path: Path) -> None:
    """A log says which step runs."""
    _, output, _ = run(machine, tmp_path / "calls")
    assert [line for line in output.splitlines() if line] == [
        "=== make check",
        "=== make testbed",
        "=== make test ARGS=--no-skips",
    ]


def test_a_failed_step_is_the_end(machine: Machine, tmp_path: Path) -> None:
    """Where check fails CI fails, and the tests are not run."""
    status, _, calls = run(machine, tmp_path / "calls", failing="check")
    assert status != 0
    assert calls == ["check"]


def test_a_missing_part_is_the_end(machine: Machine, tmp_path: Path) -> None:
    """Where a part cannot be built CI fails, rather than to test without it."""
    status, _, calls = run(machine, tmp_path / "calls", failing="testbed")
    assert status != 0
    assert calls == ["check", "testbed"]
