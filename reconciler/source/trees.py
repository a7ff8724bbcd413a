"""Two Git trees compared, without looking at what is the same in both; and how much a tree holds.

Trees are read as Git stores them (``<mode> <name>\\0<20 bytes>`` one after the other), so a folder costs
one look-up however many files it has, and one that did not change costs nothing. A walk from nothing is
the comparison with nothing.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schemas.errors import InputError

MAX_DEPTH = 64
MAX_ENTRIES = 1_000_000
"""Files and folders that are looked at: trees may hold one another many times over."""

_ENTRY = re.compile(rb"[0-7]+ [^\0]+\0.{20}", re.DOTALL)
_KIND, _FOLDER = 0o170000, 0o040000
"""Of a mode: a folder's may have other bits, and any number of zeros before it."""

_MODES = frozenset({0o040000, 0o100644, 0o100755, 0o100664, 0o120000, 0o160000})
"""That Git writes, or wrote once."""

_Found = tuple[bytes, bytes]
"""Mode as Git writes it, and the object's id."""


@dataclass(frozen=True)
class Leaf:
    """What stands at a path now: anything but a folder. ``mode`` is Git's, ``id`` in hex."""

    mode: int
    id: str


def changes(
    read: Callable[[str], bytes], before: str | None, after: str | None, prefix: str = ""
) -> Iterator[tuple[str, Leaf | None]]:
    """Every path below ``prefix`` at which the tree ``after`` holds something else than ``before``, with
    what it holds; None where nothing is left. ``read`` gives the bytes of a tree by its id in hex.

    Raises InputError ``TooManyFiles`` or ``TreeTooDeep``, and whatever ``read`` raises.
    """
    return _Comparison(read).changes(before, after, prefix, 0)


class Sizes:
    """How much trees hold that may hold one another many times over, each read once; and that all of them are
    as Git writes them, for whoever hands them to a library that counts on it."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._trees = _Trees(read, strict=True)
        self._known: dict[str, tuple[int, int]] = {}

    def size(self, tree: str) -> int:
        """Files and folders below ``tree``, each as often as it stands there.

        Raises InputError ``TooManyFiles``, ``TreeTooDeep`` or ``TreeMalformed``, and whatever ``read`` raises.
        """
        return self._measured(tree, 0)[0]

    def _measured(self, tree: str, depth: int) -> tuple[int, int]:
        """The size, and how many folders deep it goes."""
        found = self._known.get(tree)
        if depth + (found[1] if found else 0) > MAX_DEPTH:
            raise _too_deep("")
        if found is None:
            entries = self._trees.entries(tree)
            folders = filter(None, (_folder(_parts(entry)[1]) for entry in entries))
            inner = [self._measured(each, depth + 1) for each in folders]
            height = max((1 + each[1] for each in inner), default=0)
            found = self._known[tree] = len(entries) + sum(each[0] for each in inner), height
        return found


class _Trees:
    """Trees as Git stores them, read up to a bound; ``strict`` ones are refused where Git would not write them."""

    def __init__(self, read: Callable[[str], bytes], *, strict: bool = False) -> None:
        self._read = read
        self._strict = strict
        self._seen = 0

    def entries(self, tree: str) -> list[bytes]:
        """As they stand there."""
        content = self._read(tree)
        entries: list[bytes] = _ENTRY.findall(content)
        self._seen += 1 + len(entries)
        if self._seen > MAX_ENTRIES:
            raise InputError("TooManyFiles", f"more than {MAX_ENTRIES} files and folders")
        if self._strict and not _well_formed(content, entries):
            raise InputError(
                "TreeMalformed", f"the tree {tree} is not as Git writes one", "git fsck says more"
            )
        return entries


class _Comparison:
    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._trees = _Trees(read)

    def changes(
        self, before: str | None, after: str | None, path: str, depth: int
    ) -> Iterator[tuple[str, Leaf | None]]:
        if depth > MAX_DEPTH:
            raise _too_deep(f" at {path[:80]!r}")
        old, new = (set(self._trees.entries(tree)) if tree else set() for tree in (before, after))
        gone, came = _by_name(old - new), _by_name(new - old)
        for name in sorted(gone.keys() | came.keys()):
            inner = f"{path}/{text(name)}" if path else text(name)
            yield from self._change(gone.get(name), came.get(name), inner, depth)

    def _change(
        self, was: _Found | None, now: _Found | None, path: str, depth: int
    ) -> Iterator[tuple[str, Leaf | None]]:
        was_folder, now_folder = _folder(was), _folder(now)
        if was_folder or now_folder:
            yield from self.changes(was_folder, now_folder, path, depth + 1)
        if now and not now_folder:
            yield path, Leaf(int(now[0], 8), now[1].hex())
        elif was and not was_folder:
            yield path, None


def text(name: bytes) -> str:
    """A name as text that is harmless to show: what is not printable, not UTF-8 or a backslash is
    escaped. Two names never become the same text."""
    plain = name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    if plain.isprintable():
        return plain
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain)


def _well_formed(content: bytes, entries: list[bytes]) -> bool:
    """Known modes and single names, each once, in Git's order: that of folders is as if a slash followed."""
    parts = [_parts(entry) for entry in entries]
    order = [name + b"/" if _folder(found) else name for name, found in parts]
    return (
        sum(map(len, entries)) == len(content)
        and all(int(found[0], 8) in _MODES and b"/" not in name for name, found in parts)
        and len({name for name, _ in parts}) == len(parts)
        and order == sorted(order)
    )


def _too_deep(where: str) -> InputError:
    return InputError("TreeTooDeep", f"more than {MAX_DEPTH} folders deep{where}")


def _by_name(entries: set[bytes]) -> dict[bytes, _Found]:
    return dict(map(_parts, sorted(entries)))


def _parts(entry: bytes) -> tuple[bytes, _Found]:
    mode, _, name = entry[:-21].partition(b" ")
    return name, (mode, entry[-20:])


def _folder(found: _Found | None) -> str | None:
    return found[1].hex() if found is not None and int(found[0], 8) & _KIND == _FOLDER else None
