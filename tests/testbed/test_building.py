"""make testbed: built once, whole or not at all, and refused in one line."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.parts import PartError
from scripts.testbed import provide
from tests.project.conftest import ROOT
from tests.testbed.conftest import MAKES_IT, Recipe

PATIENCE = 60.0
CALL = """
import pathlib, signal, sys
from scripts.testbed import Part, provide
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
provide(Part.read(pathlib.Path(sys.argv[1])))
"""


def wait_until(fact: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(group: int) -> bool:
    """True where a process of that group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_missing_part_is_built(recipe: Recipe) -> None:
    """The program is in the cache afterwards, and runs."""
    program = provide(recipe(MAKES_IT))
    assert subprocess.check_output([program], text=True) == "made\n"


def test_a_part_is_built_once(recipe: Recipe, tmp_path: Path) -> None:
    """A second call finds the first one's work."""
    part = recipe(f'echo built >>"{tmp_path}/times"', MAKES_IT)
    assert provide(part) == provide(part)
    assert (tmp_path / "times").read_text() == "built\n"


def test_two_calls_at_once_build_once(recipe: Recipe, tmp_path: Path) -> None:
    """The second waits for the first."""
    part = recipe(f'echo built >>"{tmp_path}/times"', "sleep 0.3", MAKES_IT)
    calls = [threading.Thread(target=provide, args=(part,)) for _ in range(2)]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert (tmp_path / "times").read_text() == "built\n"


def test_a_failed_build_leaves_no_part(recipe: Recipe) -> None:
    """Half a part is never found."""
    part = recipe(MAKES_IT, "echo it broke here >&2", "exit 3")
    with pytest.raises(PartError):
        provide(part)
    assert part.find() is None


def test_a_failed_build_shows_its_last_words(recipe: Recipe) -> None:
    """The reason is shown, and where the rest of it is."""
    part = recipe("echo it broke here >&2", "exit 3")
    with pytest.raises(PartError, match=rf"status 3:\nit broke here\n.*{part.kept().name}\.log"):
        provide(part)


def test_a_build_that_makes_nothing_has_failed(recipe: Recipe) -> None:
    """A recipe that ends well without its program is no part."""
    with pytest.raises(PartError, match="the build failed"):
        provide(recipe("true"))


def test_what_a_killed_build_left_is_in_nobodys_way(recipe: Recipe) -> None:
    """The next build begins anew."""
    part = recipe(MAKES_IT)
    left = part.kept().with_name(f"{part.kept().name}.building")
    (left / "bin").mkdir(parents=True)
    assert provide(part).is_file()


def test_a_part_without_its_program_is_built_again(recipe: Recipe) -> None:
    """A folder that somebody emptied is in nobody's way either."""
    part = recipe(MAKES_IT)
    program = provide(part)
    program.unlink()
    assert provide(part).is_file()


def test_an_interrupted_build_ends_whole(recipe: Recipe, tmp_path: Path) -> None:
    """Ctrl-C ends the build with everything that it started, and leaves no part."""
    part = recipe(f'echo $$ >"{tmp_path}/new" && mv "{tmp_path}/new" "{tmp_path}/pid"', "sleep 600")
    call = subprocess.Popen(
        [sys.executable, "-c", CALL, part.recipe],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until((tmp_path / "pid").exists)
    call.send_signal(signal.SIGINT)
    call.wait(PATIENCE)
    group = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(group))
    assert part.find() is None


def test_a_missing_tool_is_named_in_one_line(recipe: Recipe) -> None:
    """Who lacks a compiler is told before anything is built, and what else would do."""
    part = recipe("exit 1", tools='["sh", "no-such-compiler", "no-such-linker"]')
    with pytest.raises(PartError) as refused:
        provide(part)
    assert str(refused.value) == (
        "thing is built with no-such-compiler and no-such-linker, not found on PATH: install that, "
        "or name a thing of your own in MOORAGE_TEST_THING"
    )


def test_a_named_program_is_not_built(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the variable names a program, no tool is asked for."""
    monkeypatch.setenv("MOORAGE_TEST_THING", sys.executable)
    assert provide(recipe("exit 1", tools='["no-such-compiler"]')) == Path(sys.executable)


def test_the_command_fails_where_a_part_cannot_be_had(tmp_path: Path) -> None:
    """make testbed says why in one line and ends with an error."""
    environment = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "scripts.testbed"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("testbed: gitea is built with gcc and go, not found on PATH")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
