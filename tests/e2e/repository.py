"""A bare repository and the clone that a team works in; whole trees are committed and pushed."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}  # nobody's hooks, signing, templates


class Repository:
    """``bare`` is what a controller follows."""

    def __init__(self, folder: Path) -> None:
        self.bare = folder / "repository.git"
        self._work = folder / "work"
        for path, options in ((self.bare, ["--bare"]), (self._work, [])):
            path.mkdir(parents=True)
            self._git(path, "init", "--initial-branch", "main", *options)
        self._git(self._work, "config", "user.name", "Somebody")
        self._git(self._work, "config", "user.email", "somebody@example.org")
        self._git(self._work, "remote", "add", "origin", str(self.bare))

    def push(self, files: Mapping[str, str]) -> str:
        """Make ``files`` the whole tree, commit, push; returns the commit."""
        self.commit(files)
        self._git(self._work, "push", "origin", "main")
        return self._git(self._work, "rev-parse", "HEAD")

    def set_back(self, revision: str) -> None:
        """Let the branch name an earlier commit, as a forced push does."""
        self._git(self._work, "push", "--force", "origin", f"{revision}:main")
        self._git(self._work, "reset", "--hard", revision)

    def commit(self, files: Mapping[str, str]) -> None:
        """Make ``files`` the whole tree and commit it."""
        for path in self._work.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, text in files.items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._git(self._work, "add", "--all")
        self._git(self._work, "commit", "--allow-empty", "--message", "Change what is served")

    @staticmethod
    def _git(folder: Path, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**os.environ, **_GIT},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()
