"""Environments: built once, by one builder, and never taken for complete when they are not."""

import asyncio
import json
import re
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

from runtime.serving.environments import DEFAULT_MLSERVER_PACKAGES, Environments, Recipe, recipe
from schemas.errors import InputError, TransientError

BUILD = """
import asyncio, sys
from pathlib import Path
from runtime.serving.environments import Environments, recipe
asyncio.run(Environments(Path(sys.argv[1]), print).build(recipe([sys.argv[2]])))
"""


@pytest.fixture
def tiny(tmp_path) -> str:
    """A requirement that needs no package index."""
    return f"tiny @ file://{_wheel(tmp_path / 'tiny-1.0-py3-none-any.whl')}"


def _wheel(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny.py", "ANSWER = 42\n")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr("tiny-1.0.dist-info/WHEEL", tag)
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    return path


def _answer(python: Path) -> str:
    return subprocess.check_output([python, "-c", "import tiny; print(tiny.ANSWER)"], text=True).strip()


@pytest.mark.real
@pytest.mark.anyio
async def test_an_environment_holds_its_packages(tmp_path, tiny):
    """After build() the interpreter imports what was asked for, and progress was told."""
    lines: list[str] = []
    environments = Environments(tmp_path / "environments", lines.append)
    wanted = recipe([tiny])
    assert not environments.ready(wanted)
    await environments.build(wanted)
    assert environments.ready(wanted)
    assert _answer(environments.python(wanted)) == "42"
    assert any("tiny" in line for line in lines)


@pytest.mark.real
@pytest.mark.anyio
async def test_builders_of_one_process_share_one_build(tmp_path, tiny):
    """However many ask at once, one builds and the others wait."""
    lines: list[str] = []
    environments = Environments(tmp_path / "environments", lines.append)
    await asyncio.gather(*(environments.build(recipe([tiny])) for _ in range(4)))
    assert sum(line.startswith("building") for line in lines) == 1


@pytest.mark.real
@pytest.mark.anyio
async def test_builders_of_two_processes_share_one_build(tmp_path, tiny):
    """The lock file keeps a second process out until the first is done."""
    folder = str(tmp_path / "environments")
    command = [sys.executable, "-c", BUILD, folder, tiny]
    processes = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(2)
    ]
    said = [(await process.communicate())[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert "".join(said).count("building") == 1


@pytest.mark.real
@pytest.mark.anyio
async def test_a_crashed_build_is_done_anew(tmp_path, tiny):
    """A folder without its marker is what a crash left, whatever is in it."""
    environments = Environments(tmp_path / "environments", print)
    wanted = recipe([tiny])
    await environments.build(wanted)
    python = environments.python(wanted)
    (python.parent.parent / "complete.json").unlink()
    left = python.parent / "left-behind"
    left.touch()
    assert not environments.ready(wanted)
    await environments.build(wanted)
    assert environments.ready(wanted)
    assert not left.exists()


@pytest.mark.real
@pytest.mark.anyio
async def test_a_cancelled_build_gives_the_lock_back(tmp_path, tiny):
    """Cancelling one builder leaves nothing that counts and lets the next one build."""
    begun = asyncio.Event()
    environments = Environments(tmp_path / "environments", lambda _: begun.set())
    wanted = recipe([tiny])
    task = asyncio.create_task(environments.build(wanted))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await environments.build(wanted)
    assert environments.ready(wanted)


@pytest.mark.real
@pytest.mark.anyio
async def test_an_installer_that_outlives_its_controller_keeps_the_next_builder_out(tmp_path, tiny):
    """After kill -9 of a building process the lock is held until its uv has ended too."""
    folder = tmp_path / "environments"
    command = [sys.executable, "-c", BUILD, str(folder), tiny]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()  # it holds the lock and is building
    process.kill()
    await process.wait()
    environments = Environments(folder, print)
    await environments.build(recipe([tiny]))
    assert _answer(environments.python(recipe([tiny]))) == "42"


@pytest.mark.real
@pytest.mark.anyio
async def test_a_package_that_does_not_exist_is_named(tmp_path, monkeypatch):
    """What cannot be solved is the configuration's fault; credentials of the index stay out."""
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    lines: list[str] = []
    with pytest.raises(InputError) as failure:
        await Environments(tmp_path / "environments", lines.append).build(recipe(["no-such-package==1"]))
    assert failure.value.reason == "PackagesUnsolvable"
    assert "no-such-package" in failure.value.message


@pytest.mark.real
@pytest.mark.anyio
async def test_credentials_of_the_index_are_not_shown(tmp_path, monkeypatch):
    """An index that cannot be reached is worth another try, and its password appears nowhere."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://user:hunter2@127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "2")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    lines: list[str] = []
    with pytest.raises(TransientError) as failure:
        await Environments(tmp_path / "environments", lines.append).build(recipe(["no-such-package==1"]))
    assert failure.value.reason == "PackageIndexUnreachable"
    assert "hunter2" not in str(failure.value) + "".join(lines)


@pytest.mark.real
@pytest.mark.anyio
async def test_a_file_that_is_not_the_locked_one_is_refused(tmp_path, tiny):
    """A hashed requirement whose file differs is an InputError."""
    line = f"{tiny} --hash=sha256:{'0' * 64}\n"
    wanted = Recipe(recipe([tiny]).python, line, hashed=True)
    with pytest.raises(InputError, match="PackageHashMismatch"):
        await Environments(tmp_path / "environments", print).build(wanted)


@pytest.mark.real
@pytest.mark.anyio
async def test_a_build_that_hangs_ends(tmp_path, tiny):
    """The limit of a build holds, and the installer does not outlive it."""
    with pytest.raises(TransientError, match="EnvironmentBuildTimeout"):
        await Environments(tmp_path / "environments", print, build_limit=0.0).build(recipe([tiny]))


@pytest.mark.parametrize("package", ["--index-url https://user:hunter2@x/simple", "-e .", "", "a\n--pre"])
def test_options_of_the_installer_are_no_packages(package):
    """A package list cannot carry options, and the error does not repeat a password."""
    with pytest.raises(InputError) as failure:
        recipe([package])
    assert failure.value.reason == "InvalidPackage"
    assert "hunter2" not in str(failure.value)


def test_the_default_list_is_locked_and_others_are_not():
    """The lock file is used where the list is the default one, in whatever order it is written."""
    assert recipe(DEFAULT_MLSERVER_PACKAGES[::-1]) == recipe(DEFAULT_MLSERVER_PACKAGES)
    assert recipe(DEFAULT_MLSERVER_PACKAGES).hashed
    assert not recipe([*DEFAULT_MLSERVER_PACKAGES, "mlserver-xgboost==1.7.1"]).hashed


def test_a_recipe_is_named_by_all_it_is_made_of():
    """Python, packages and hashes change the name; order and repetition do not."""
    names = {
        Recipe("3.11", "a\n", False).digest,
        Recipe("3.12", "a\n", False).digest,
        Recipe("3.11", "b\n", False).digest,
        Recipe("3.11", "a\n", True).digest,
    }
    assert len(names) == 4
    assert recipe(["b", "a", "b"]) == recipe(["a", "b"])


def test_the_lock_pins_everything_with_hashes_and_names_no_index():
    """Every requirement is exact and hashed, the default list is in it, and no URL is."""
    text = (files("runtime.serving") / "locks" / "mlserver.txt").read_text()
    entries = re.findall(r"^(\S+)==(\S+)(.*?)(?=^\S|\Z)", text, re.M | re.S)
    pins = {name: version for name, version, _ in entries}
    assert len(entries) == len(re.findall(r"^\S", text, re.M))
    assert all("--hash=sha256:" in rest for _, _, rest in entries)
    assert (pins["mlserver"], pins["mlserver-sklearn"]) == ("1.7.1", "1.7.1")
    assert pins["uvloop"].startswith("0.21.")
    assert "://" not in text


def test_a_marker_without_an_interpreter_is_not_ready(tmp_path):
    """An environment whose Python is gone (an upgraded system) is built anew."""
    environments = Environments(tmp_path, print)
    wanted = recipe(["tiny"])
    place = environments.python(wanted).parent.parent
    place.mkdir(parents=True)
    (place / "complete.json").write_text(json.dumps({}))
    assert not environments.ready(wanted)
