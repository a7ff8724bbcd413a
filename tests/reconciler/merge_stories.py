"""Two branches with a random past: small histories in which files are changed, added, moved and deleted.

Left out is what libgit2 and git are known to see differently, a file that both sides move to the same place.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.reconciler.repositories import EXECUTABLE, FILE, Content, Repository, git

FOLDERS = ("", "a/", "b/", "a/c/")
NAMES = ("a/1", "a/2", "b/1", "b/2", "3", "4", "a/c/5")


@dataclass
class Side:
    """What one branch holds: mode and lines by path. ``name`` is in the names of what it moves."""

    name: str
    chance: random.Random
    files: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    def change(self) -> None:
        """Do one thing that people do."""
        steps: list[Callable[[str], None]] = [self._edit] * 3 + [self._move] * 2 + [self._delete, self._mode]
        if self.files and self.chance.random() < 0.8:
            self.chance.choice(steps)(self.chance.choice(sorted(self.files)))
        else:
            self._put(self._place("same"), FILE, self._lines())
        for path in list(self.files):
            if any(other.startswith(f"{path}/") for other in self.files):
                del self.files[path]

    def commit(self, repository: Repository, branch: str) -> str:
        files: dict[str | bytes, Content] = {
            path: (mode, "".join(f"{line}\n" for line in lines)) for path, (mode, lines) in self.files.items()
        }
        return repository.commit(files, branch)

    def _edit(self, path: str) -> None:
        mode, lines = self.files[path]
        lines = list(lines)
        at = self.chance.randrange(len(lines) + 1)
        lines[at : at + self.chance.randrange(2)] = [f"new {self.chance.randrange(3)}"]
        self.files[path] = mode, lines

    def _move(self, path: str) -> None:
        mode, lines = self.files.pop(path)
        self._put(self._place(self.name), mode, lines)
        if self.chance.random() < 0.5:
            self._edit(sorted(self.files)[-1])

    def _delete(self, path: str) -> None:
        del self.files[path]

    def _mode(self, path: str) -> None:
        mode, lines = self.files[path]
        self.files[path] = (EXECUTABLE if mode == FILE else FILE), lines

    def _put(self, path: str, mode: int, lines: list[str]) -> None:
        self.files[path] = mode, lines

    def _place(self, stem: str) -> str:
        return f"{self.chance.choice(FOLDERS)}{stem}{self.chance.randrange(3)}"

    def _lines(self) -> list[str]:
        return [str(self.chance.randrange(10**6)) for _ in range(self.chance.randrange(4, 12))]


def story(seed: str, folder: Path) -> tuple[Repository, str, str]:
    """A repository whose branches ``main`` and ``side`` went different ways, and their commits."""
    chance = random.Random(seed)
    repository, start = Repository(folder), Side("", chance)
    for path in chance.sample(NAMES, chance.randrange(2, 6)):
        start._put(path, FILE, start._lines())
    start.commit(repository, "main")
    git("branch", "side", at=folder)
    return _parted(repository, chance, start)


def crossed_story(seed: str, folder: Path) -> tuple[Repository, str, str]:
    """As :func:`story`, after each branch merged what the other one was: they have two commits in common that
    neither follows the other."""
    chance = random.Random(seed)
    repository, start = Repository(folder), Side("", chance)
    for path in NAMES:
        start._put(path, FILE, start._lines())
    start.commit(repository, "main")
    git("branch", "side", at=folder)
    one, other = (Side("", chance, dict(start.files)) for _ in range(2))
    one._edit("a/1")
    other._edit("b/1")
    first, second = one.commit(repository, "main"), other.commit(repository, "side")
    both = Side("", chance, {**one.files, "b/1": other.files["b/1"]})
    tree = git("rev-parse", f"{both.commit(repository, 'both')}^{{tree}}", at=folder)
    for branch, mine, theirs in (("main", first, second), ("side", second, first)):
        made = git("commit-tree", "-m", "Cross", "-p", mine, "-p", theirs, tree, at=folder)
        git("update-ref", f"refs/heads/{branch}", made, at=folder)
    return _parted(repository, chance, both)


def _parted(repository: Repository, chance: random.Random, start: Side) -> tuple[Repository, str, str]:
    commits = []
    for branch in ("main", "side"):
        side = Side(branch, chance, dict(start.files))
        for _ in range(chance.randrange(1, 4)):
            side.change()
        commits.append(side.commit(repository, branch))
    return repository, commits[0], commits[1]
