"""An empty repository that sees the objects of another one, so that new objects need not go there.

What is borrowed from is never written to. Git's ``objects/info/alternates`` does the borrowing, so whoever
opens the folder later sees the same.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pygit2

MAX_ALTERNATES = 100
"""Object stores that are borrowed from, those that the lender itself borrows from included."""


def borrow(folder: Path, lender: pygit2.Repository) -> pygit2.Repository:
    """An empty bare repository in ``folder`` with the objects of ``lender`` and none of its refs. A history
    that is cut off there is so here."""
    pygit2.init_repository(str(folder), bare=True)
    common = _common(lender)
    lent = "".join(f"{each}\n" for each in _stores(common / "objects"))
    (folder / "objects" / "info" / "alternates").write_text(lent)
    with suppress(FileNotFoundError):
        shutil.copyfile(common / "shallow", folder / "shallow")
    return pygit2.Repository(str(folder))


def borrow_untouched(folder: Path, lender: pygit2.Repository) -> pygit2.Repository:
    """As :func:`borrow`, for whoever writes much that the lender has: through what is given back even the
    times of its files stay.

    libgit2 1.9 touches the file of an object that is written again, also where an alternate has it.
    """
    git = borrow(folder, lender)
    objects = pygit2.Odb()
    objects.add_backend(pygit2.OdbBackendLoose(str(folder / "objects"), -1, False, 0, 0), 2)
    objects.add_backend(_Lent(lender.odb), 1)
    git.set_odb(objects)
    return git


class _Lent(pygit2.OdbBackend):
    """Objects of another repository, to be read by their whole ids. libgit2 understands a KeyError alone."""

    def __init__(self, objects: pygit2.Odb) -> None:
        super().__init__()
        self._objects = objects

    def read_cb(self, oid: pygit2.Oid) -> tuple[int, bytes]:
        try:
            kind, content = self._objects.read(oid)
        except pygit2.GitError as error:
            raise KeyError(str(oid)) from error
        return kind, content

    def read_prefix_cb(self, prefix: str) -> tuple[int, bytes, pygit2.Oid]:
        """Asked by ``Odb.read`` with whole ids, too; others are not found."""
        oid = pygit2.Oid(hex=prefix)
        return *self.read_cb(oid), oid

    def read_header_cb(self, oid: pygit2.Oid) -> tuple[int, int]:
        try:
            kind, size = self._objects.read_header(oid)
        except pygit2.GitError as error:
            raise KeyError(str(oid)) from error
        return kind, size

    def exists_cb(self, oid: pygit2.Oid) -> bool:
        return bool(self._objects.exists(oid))

    def refresh_cb(self) -> None:
        """It looks again by itself."""

    def write_cb(self, oid: pygit2.Oid, *_: object) -> None:
        """Asked where our own disk refused."""
        raise KeyError(str(oid))


def _common(lender: pygit2.Repository) -> Path:
    """Where all work trees of a repository have their objects: a linked one says where."""
    own = Path(lender.path)
    with suppress(FileNotFoundError):
        return (own / (own / "commondir").read_text().strip()).resolve()
    return own.resolve()


def _stores(objects: Path) -> Iterator[Path]:
    """``objects`` and what it borrows from, and that in turn: relative paths are not followed from afar."""
    waiting, seen = [objects], set[Path]()
    while waiting and len(seen) < MAX_ALTERNATES:
        store = waiting.pop(0)
        if store in seen:
            continue
        seen.add(store)
        yield store
        with suppress(FileNotFoundError):
            lines = (store / "info" / "alternates").read_text().splitlines()
            waiting.extend((store / each).resolve() for each in lines if each and not each.startswith("#"))
