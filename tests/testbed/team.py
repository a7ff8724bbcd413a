"""A team at a Git provider: its owner, a private repository there, and the copy on the owner's own disk."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.reconciler.repositories import Content, Repository, git
from tests.testbed.gitea import Gitea
from tests.testbed.gitea_api import PATIENCE


class Team:
    """``remote`` is the repository at the provider as its owner sees it."""

    def __init__(self, gitea: Gitea, folder: Path) -> None:
        self.gitea = gitea
        self.owner = gitea.create_user("ada")
        self.remote = self.owner.create_repository("models")
        self._disk = Repository(folder / "disk.git")

    def push(self, files: Mapping[str | bytes, Content], branch: str = "main") -> str:
        """Make ``files`` all that the branch holds, on top of what it held here; the commit."""
        commit = self._disk.commit(files, branch)
        self.send(branch)
        return commit

    def push_anew(self, files: Mapping[str | bytes, Content], branch: str = "main") -> str:
        """The same with force, as a branch without the history that it had; the commit."""
        self._disk.git.references.delete(f"refs/heads/{branch}")
        commit = self._disk.commit(files, branch)
        self.send(branch, "--force")
        return commit

    def checkout(self, branch: str) -> None:
        """Have here the branch that was made at the provider."""
        git("fetch", "--force", self.remote.address_with_token, f"{branch}:{branch}", at=self._disk.folder)

    def send(self, branch: str, *options: str) -> None:
        """``git push`` of what is here. Raises CalledProcessError where the provider refuses."""
        git("push", *options, self.remote.address_with_token, branch, at=self._disk.folder)
        self._wait_for(branch)

    def _wait_for(self, branch: str) -> None:
        """Gitea takes a push first and has its API and pull requests know of it a moment later."""
        commit = str(self._disk.git.references[f"refs/heads/{branch}"].target)
        end = time.monotonic() + PATIENCE
        while self.remote.branches().get(branch) != commit:
            assert time.monotonic() < end, f"Gitea does not know of {commit} on {branch}"
            time.sleep(0.02)


def refusal(error: subprocess.CalledProcessError) -> str:
    """What git said of a push that was refused."""
    return bytes(error.stderr).decode()
