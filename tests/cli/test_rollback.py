"""``moorage rollback``: a pin, or a commit that restores what a sync had."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, Run
from tests.cli.controller import RunningController
from tests.cli.repository import FILES, commit, model
from tests.reconciler.repositories import git

Golden = Callable[[str, str], None]

BIGGER = {**FILES, "models/iris.yaml": model("iris", memory="200Ki"), "models/new.yaml": model("new")}
ADA = ("--author", "Ada <ada@example.org>")
LOGGED = re.compile(r"^\d{4}-\d\d-\d\d .*\n", re.MULTILINE)


def told(out: str) -> str:
    """What the command printed: the controller logs to the same stdout here."""
    return re.sub(r"\b[0-9a-f]{7}\b", "<commit>", LOGGED.sub("", out))


@pytest.fixture
def upgraded(controller: RunningController, folder: Path) -> RunningController:
    """A controller that has synced one revision and then another."""
    controller.settle(commit(folder / "repository.git", BIGGER, "Upgrade"))
    return controller


def tree(folder: Path, revision: str = "main") -> str:
    return git("rev-parse", f"{revision}^{{tree}}", at=folder / "repository.git")


def test_a_commit_restores_and_is_synced(
    run: Run, golden: Golden, folder: Path, upgraded: RunningController
) -> None:
    """What differs is listed, and what happens next is said; the controller follows the new commit."""
    ran = run("rollback", "example", "--git", *ADA)
    assert (ran.status, ran.err) == (0, "")
    golden("rollback-git", told(ran.out))
    assert tree(folder) == tree(folder, "main~2")
    upgraded.settle(git("rev-parse", "main", at=folder / "repository.git"))
    assert upgraded.controller.application("example").position.pin is None


def test_the_commit_says_what_it_restores(run: Run, folder: Path, upgraded: RunningController) -> None:
    """The person's words first, then sync and revision."""
    run("rollback", "example", "1", "--git", "-m", "Iris was worse", *ADA)
    first = git("rev-parse", "main~2", at=folder / "repository.git")
    said = git("log", "-1", "--format=%B", "main", at=folder / "repository.git")
    assert said == f"Iris was worse\n\nRestores everything as of {first}, sync 1 of example."


def test_a_dry_run_commits_nothing(
    run: Run, golden: Golden, folder: Path, upgraded: RunningController
) -> None:
    """The same list."""
    before = git("rev-parse", "main", at=folder / "repository.git")
    ran = run("rollback", "example", "--git", "--dry-run")
    assert ran.status == 0
    golden("rollback-dry-run", told(ran.out))
    assert git("rev-parse", "main", at=folder / "repository.git") == before


def test_nothing_to_restore_is_no_failure(run: Run, upgraded: RunningController) -> None:
    """The second time."""
    run("rollback", "example", "1", "--git", *ADA)
    ran = run("rollback", "example", "1", "--git", *ADA)
    assert ran.status == 0
    assert told(ran.out) == "nothing to restore: everything on main is as it was at <commit> (sync 1)\n"


def test_only_the_application_s_folder_is_restored(
    run: Run, folder: Path, upgraded: RunningController
) -> None:
    """``path`` of the configuration bounds it."""
    (folder / "moorage.yaml").write_text(CONFIG.replace("revision: main", "revision: main, path: servers"))
    ran = run("rollback", "example", "1", "--git", *ADA)
    assert told(ran.out).startswith("nothing to restore: servers on main")


def test_another_branch_is_to_be_merged(run: Run, folder: Path, upgraded: RunningController) -> None:
    """Where the one that is followed is protected."""
    git("branch", "back", "main", at=folder / "repository.git")
    ran = run("rollback", "example", "1", "--git", "--branch", "back", *ADA)
    assert ran.status == 0
    assert ran.out.splitlines()[-1] == "example follows main: merge back there"
    assert tree(folder, "back") == tree(folder, "main~1")


def test_a_pinned_application_is_said_to_stay(run: Run, folder: Path, upgraded: RunningController) -> None:
    """A commit alone moves nothing then."""
    run("app", "pin", "example")
    ran = run("rollback", "example", "1", "--git", *ADA)
    assert "example stays pinned at" in ran.out


def test_without_a_controller_the_next_one_syncs(run: Run, folder: Path) -> None:
    """The history and the repository are enough."""
    with RunningController(folder / "repository.git", folder / ".moorage") as running:
        running.settle(git("rev-parse", "main", at=folder / "repository.git"))
        running.settle(commit(folder / "repository.git", BIGGER, "Upgrade"))
    ran = run("rollback", "example", "1", "--git", *ADA)
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "no controller runs: the next one syncs it")


def test_signed_revisions_are_not_followed_by_an_unsigned_one(
    run: Run, folder: Path, upgraded: RunningController
) -> None:
    """It would be pushed and then not believed."""
    (folder / "allowed").write_text("")
    verify = "revision: main, verify: {mode: head, allowedSigners: allowed}"
    (folder / "moorage.yaml").write_text(CONFIG.replace("revision: main", verify))
    before = git("rev-parse", "main", at=folder / "repository.git")
    ran = run("rollback", "example", "1", "--git", *ADA)
    assert (ran.status, "UnverifiedRevision" in ran.err) == (2, True)
    assert git("rev-parse", "main", at=folder / "repository.git") == before


def test_without_git_it_is_pinned(run: Run, upgraded: RunningController) -> None:
    """As ``moorage app rollback`` does it, until unpinned."""
    ran = run("rollback", "example", "1")
    assert ran.status == 0
    assert "moorage app pin example --unpin follows main again" in ran.out
    assert upgraded.controller.intents.intent("example").pin is not None


def test_words_for_a_commit_want_a_commit(run: Run) -> None:
    """Nobody shall think that one was made."""
    ran = run("rollback", "example", "--message", "x")
    assert (ran.status, "InvalidCommand" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [(("example", "99"), "HistoryEntryNotFound"), (("other",), "ApplicationNotFound")],
    ids=["sync", "application"],
)
def test_what_is_not_there_is_told(
    run: Run, upgraded: RunningController, words: tuple[str, ...], reason: str
) -> None:
    """In one line."""
    ran = run("rollback", *words, "--git", *ADA)
    assert (ran.status, reason in ran.err) == (2, True)
