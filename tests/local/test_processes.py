"""Processes: known by three things, ended as a group, never mistaken for another."""

import asyncio
import os
import secrets
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.local.backoff import Backoff
from runtime.local.logs import LAST_LINE_BYTES, bound, last_line, set_aside
from runtime.local.processes import Process, adopt, carriers, matches, spawn, sweep
from schemas.errors import TransientError

pytestmark = pytest.mark.anyio

STATE = "state-of-a-test"


@pytest.fixture
async def start(tmp_path, anyio_backend):
    """Starts a Python program as a session; everything is ended afterwards."""
    started: list[Process] = []

    def starter(program: str, *argv: str) -> Process:
        command = argv or (sys.executable, "-c", program)
        log = tmp_path / "log"
        started.append(spawn(command, {"A": "b"}, tmp_path, log, STATE, secrets.token_hex(8)))
        return started[-1]

    yield starter
    for process in started:
        await process.end(0)


SLEEP = "import time; time.sleep(600)"
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
print(child.pid, flush=True)
time.sleep(600)
"""


async def said(folder: Path) -> str:
    """The first line that the process wrote."""
    async with asyncio.timeout(60):
        while not (folder / "log").read_text().endswith("\n"):  # noqa: ASYNC110 (a file tells nobody)
            await asyncio.sleep(0.01)
    return (folder / "log").read_text().strip()


async def visible(process: Process) -> Process:
    """The process once its environment can be read: the kernel shows it a moment after exec."""
    async with asyncio.timeout(60):
        while not matches(process.identity):  # noqa: ASYNC110 (the kernel tells nobody)
            await asyncio.sleep(0.001)
    return process


def exists(pid: int) -> bool:
    """Whether that process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


async def test_a_spawned_process_is_a_session_of_its_own(start):
    """Ctrl-C at the controller's terminal reaches no server."""
    process = start(SLEEP)
    pid = process.identity.pid
    assert os.getsid(pid) == os.getpgid(pid) == pid != os.getsid(0)


async def test_output_goes_to_the_log(start, tmp_path):
    """Both streams; the last process's log is set aside."""
    (tmp_path / "log").write_text("of the last one\n")
    start("import sys; print('deaf', flush=True); sys.stderr.write('and dumb\\n'); sys.stderr.flush()")
    assert (await said(tmp_path)).startswith("deaf")
    assert (tmp_path / "log.1").read_text() == "of the last one\n"


async def test_the_end_is_noticed_with_its_exit_code(start):
    """No polling: the pidfd tells."""
    process = start("raise SystemExit(7)")
    await process.wait()
    assert (process.exit_code, process.running) == (7, False)


async def test_a_stubborn_process_is_killed_after_the_grace(start, tmp_path):
    """SIGTERM is asked for first."""
    process = start(STUBBORN)
    assert await said(tmp_path) == "deaf"
    await process.end(0.05)
    assert process.exit_code == -9


async def test_children_end_with_their_parent(start, tmp_path):
    """The whole group is told."""
    process = start(PARENT)
    child = int(await said(tmp_path))
    await process.end(5)
    assert not exists(child)


async def test_children_that_outlive_their_parent_are_swept(start, tmp_path):
    """They carry the token of the one that was killed."""
    process = start(PARENT)
    child = int(await said(tmp_path))
    os.kill(process.identity.pid, 9)
    await process.wait()
    assert exists(child)
    await process.end(5)
    assert not exists(child)


async def test_carriers_finds_what_a_state_folder_spawned(start):
    """By the name of the folder's record in the environment."""
    process = await visible(start(SLEEP))
    assert carriers(STATE) == {process.identity.pid: process.identity.token}


async def test_adopting_gives_the_same_process(start):
    """Whoever knows the identity can end it."""
    process = await visible(start(SLEEP))
    adopted = adopt(process.identity)
    assert adopted is not None
    await adopted.end(5)
    await process.wait()
    assert not process.running


@pytest.mark.parametrize("wrong", [{"started": 1}, {"token": "another"}, {"pid": 0}])
async def test_an_identity_that_does_not_match_is_not_adopted(start, wrong):
    """Pid, start time and token: all three."""
    process = await visible(start(SLEEP))
    assert adopt(replace(process.identity, **wrong)) is None


async def test_sweeping_an_unknown_token_touches_nothing(start):
    """Only what carries the token is signalled."""
    process = await visible(start(SLEEP))
    await sweep("nobody's")
    assert process.running
    assert exists(process.identity.pid)


async def test_a_process_that_is_left_runs_on(start):
    """Leaving ends the watching only."""
    process = await visible(start(SLEEP))
    process.leave()
    assert exists(process.identity.pid)
    await sweep(process.identity.token)


async def test_a_program_that_is_not_there_is_a_result(start):
    """SpawnFailed names the program."""
    with pytest.raises(TransientError, match=r"SpawnFailed: cannot run /no/such/program"):
        start("", "/no/such/program")


def test_the_last_line_is_the_last_that_says_something(tmp_path):
    """Blank lines, long lines and other encodings are taken as they come."""
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_bytes(b"one\n\xfftwo\n\n  \n")
    assert last_line(log) == "\ufffdtwo"
    log.write_text("x" * LAST_LINE_BYTES * 2)
    assert len(last_line(log)) == 500


def test_a_log_that_grows_too_large_is_set_aside_while_it_is_written(tmp_path):
    """The writer goes on at the beginning of the emptied file."""
    log = tmp_path / "log"
    with log.open("ab") as writer:
        writer.write(b"0123456789")
        writer.flush()
        bound(log, 10)
        assert not (tmp_path / "log.1").exists()
        bound(log, 9)
        writer.write(b"new")
    assert (log.read_bytes(), (tmp_path / "log.1").read_bytes()) == (b"new", b"0123456789")


def test_setting_a_log_aside_makes_its_folder(tmp_path):
    """The first start of a replica finds nothing there."""
    set_aside(tmp_path / "new" / "log")
    assert (tmp_path / "new").is_dir()


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_long_run():
    """1, 2, 4 up to the bound; a short run changes nothing."""
    backoff = Backoff(first=1, longest=5, stable=60)
    assert [backoff.pause() for _ in range(4)] == [1, 2, 4, 5]
    backoff.ran(59)
    assert backoff.pause() == 5
    backoff.ran(60)
    assert backoff.pause() == 1


async def test_a_zombie_is_not_taken_for_its_process(start):
    """A child that nobody collected has no environment, so it matches nothing."""
    process = await visible(start(SLEEP))
    process.leave()
    os.kill(process.identity.pid, 9)
    async with asyncio.timeout(60):
        while exists(process.identity.pid):  # noqa: ASYNC110 (nobody watches it any more)
            await asyncio.sleep(0.01)
    assert not matches(process.identity)
    await asyncio.to_thread(os.waitpid, process.identity.pid, 0)
