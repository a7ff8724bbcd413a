"""A folder with a configuration and a repository in it, and the command run inside."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from reconciler.cli.main import main
from tests.cli.controller import RunningController
from tests.cli.repository import FILES, commit

GOLDEN = Path(__file__).parent / "golden"
REGENERATE = "MOORAGE_GOLDEN"
"""Set it to 1 to write the golden files anew; then read the difference."""

CONFIG = """\
applications:
  - {name: example, repository: repository.git, revision: main}
"""


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """What a command sets up for its process ends with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: ``moorage.yaml``, and ``repository.git`` with :data:`FILES` on ``main``."""
    monkeypatch.chdir(tmp_path)
    for name in ("MOORAGE_SERVER", "MOORAGE_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "moorage.yaml").write_text(CONFIG)
    commit(tmp_path / "repository.git", FILES, "Begin")
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``moorage`` with these arguments."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        status = main(arguments)
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    return run


@pytest.fixture
def controller(folder: Path) -> Iterator[RunningController]:
    """A controller that has synced the repository onto a simulated runtime."""
    with RunningController(folder / "repository.git", folder / ".moorage") as running:
        running.until(lambda: running.controller.application("example").sync == "Synced")
        yield running


@pytest.fixture
def golden(folder: Path) -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name, leaving out what differs from run to run."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / f"{name}.txt"
        found = normal(text, folder)
        if os.environ.get(REGENERATE):
            file.write_text(found)
        assert found == file.read_text(), f"{REGENERATE}=1 writes it anew"

    return compare


def normal(text: str, folder: Path) -> str:
    """Paths, digests, times and ages replaced by their names; columns are two blanks apart."""
    text = text.replace(str(folder), "<folder>")
    text = re.sub(r"\b\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "<time>", text)
    text = re.sub(r"\b[0-9a-f]{10,64}\b", "<digest>", text)
    text = re.sub(r"(?m)(?<= )\d+s(?= |$)", "<age>", text)
    return "\n".join(re.sub(r"(?<=\S) {2,}", "  ", line) for line in text.splitlines()) + "\n"
