"""A test without its part is skipped with a reason; where skips are not allowed, the run fails."""

import os
import subprocess
import sys
from pathlib import Path

from tests.project.conftest import ROOT

NEEDS = "import pytest\n@pytest.mark.needs('gitea')\ndef test_it(): assert True\n"
SKIPS = "import pytest\n@pytest.mark.skipif(True, reason='not today')\ndef test_it(): assert False\n"
PASSES = "def test_it(): assert True\n"


def run(folder: Path, text: str, *options: str, **environment: str) -> tuple[int, str]:
    """Exit status and output of pytest on a file with that text, on a machine without any part."""
    (folder / "test_one.py").write_text(text)
    configuration = ["-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *configuration, "-rs", *options, str(folder / "test_one.py")],
        cwd=ROOT,
        env={"PATH": os.defpath, "XDG_CACHE_HOME": str(folder), "HOME": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_test_without_its_part_is_skipped(tmp_path: Path) -> None:
    """The line says what is missing and which command provides it."""
    status, output = run(tmp_path, NEEDS)
    assert status == 0
    assert "gitea missing: run make testbed, or name it in MOORAGE_TEST_GITEA" in output


def test_a_variable_that_names_no_program_ends_the_run(tmp_path: Path) -> None:
    """Whoever names a part wants to test with that one: nothing is skipped, and one line says why."""
    status, output = run(tmp_path, NEEDS, MOORAGE_TEST_GITEA=str(tmp_path / "gone"))
    assert status != 0
    assert "ERROR: MOORAGE_TEST_GITEA=" in output
    assert "Traceback" not in output


def test_skips_are_a_failure_where_they_are_not_allowed(tmp_path: Path) -> None:
    """With --no-skips a missing part fails the run, and the run says which test."""
    status, output = run(tmp_path, NEEDS, "--no-skips")
    assert status == 1
    assert "::test_it: Skipped: gitea missing" in output


def test_any_skip_is_a_failure_where_none_is_allowed(tmp_path: Path) -> None:
    """Whatever a test was skipped for."""
    status, output = run(tmp_path, SKIPS, "--no-skips")
    assert (status, "not today" in output) == (1, True)


def test_a_run_without_skips_passes(tmp_path: Path) -> None:
    """The option alone is no failure."""
    status, _ = run(tmp_path, PASSES, "--no-skips")
    assert status == 0
