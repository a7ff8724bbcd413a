"""Answers of a provider, read as hostile input: every field is checked for its type and bounded in length.

Nothing of an answer stands in an error: a body may hold whatever somebody wrote into a pull request.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from reconciler.observability.notifications import is_web
from schemas.errors import TransientError

MOST_TEXT = 1_024
"""Characters of a title, a name or an address; what is longer is cut where it is only shown."""
MOST_ID = 2**63

_COMMIT = re.compile(r"[0-9a-f]{40,64}", re.ASCII)


class Told:
    """One object of an answer of ``provider``. Every method raises TransientError ``ProviderUnreachable`` where
    the field is not what it has to be."""

    def __init__(self, provider: str, value: object) -> None:
        self._provider = provider
        if not isinstance(value, dict):
            raise self._unreadable("object where one has to be")
        self._fields: dict[str, Any] = value

    def text(self, name: str) -> str:
        """A text that has to be there, whole."""
        value = self._fields.get(name)
        if not isinstance(value, str):
            raise self._unreadable(f"text {name}")
        return value.encode(errors="replace").decode()  # JSON may hold halves of a surrogate pair

    def shown(self, name: str) -> str:
        """A text for people, cut; empty where there is none."""
        return self.text(name)[:MOST_TEXT] if self._fields.get(name) is not None else ""

    def name(self, name: str) -> str:
        """A text that names something, which cannot be cut."""
        value = self.text(name)
        if not 0 < len(value) <= MOST_TEXT:
            raise self._unreadable(f"{name} of 1 to {MOST_TEXT} characters")
        return value

    def web(self, name: str) -> str:
        """An http or https address; empty for anything else."""
        value = self.shown(name)
        return value if is_web(value) else ""

    def number(self, name: str) -> int:
        """An id, which is positive."""
        value = self._fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < MOST_ID:
            raise self._unreadable(f"number {name}")
        return value

    def identity(self, name: str) -> str:
        """The id of a user, whatever a provider takes for one."""
        value = self._fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | str) or not value:
            raise self._unreadable(f"id {name}")
        return str(value)

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or false; ``default`` where nothing is told."""
        value = self._fields.get(name)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise self._unreadable(f"flag {name}")
        return value

    def commit(self, name: str) -> str:
        """The id of a commit; empty where there is none."""
        value = self._fields.get(name) or ""
        if not isinstance(value, str) or (value and not _COMMIT.fullmatch(value)):
            raise self._unreadable(f"commit {name}")
        return value

    def has(self, name: str) -> bool:
        """True where something is told."""
        return self._fields.get(name) is not None

    def part(self, name: str) -> "Told":
        """An object in it."""
        return Told(self._provider, self._fields.get(name))

    def part_or_none(self, name: str) -> "Told | None":
        """An object in it, or None."""
        return self.part(name) if self.has(name) else None

    def parts(self, name: str) -> "list[Told]":
        """Objects in it; none where nothing is told."""
        return _objects(self._provider, self._fields.get(name) or [])

    def names(self, name: str) -> list[str]:
        """Texts in it; none where nothing is told."""
        listed = self._fields.get(name) or []
        if not isinstance(listed, list):
            raise self._unreadable(f"list {name}")
        return [Told(self._provider, {name: each}).name(name) for each in listed]

    def _unreadable(self, what: str) -> TransientError:
        return _unreadable(self._provider, f"holds no {what}")


@dataclass(frozen=True)
class Answer:
    """What ``provider`` answered. ``content`` is None where there was more than anybody reads."""

    provider: str
    status: int
    headers: httpx.Headers
    content: bytes | None

    def told(self) -> Told:
        """The object that it is."""
        return Told(self.provider, self._read())

    def page(self) -> tuple[list[Told], Mapping[str, str] | None]:
        """Objects of one page, and the query of the next one; None after the last.

        Bitbucket tells both in an object, all others by a list and a header. Of the next page's address only
        the query is taken, so that no answer says where we ask.
        """
        value = self._read()
        if isinstance(value, list):
            link = httpx.Response(self.status, headers=self.headers).links.get("next", {}).get("url", "")
            return _objects(self.provider, value), self._query(link)
        told = Told(self.provider, value)
        return told.parts("values"), self._query(told.text("next") if told.has("next") else "")

    def says(self, words: str) -> bool:
        """True where the body holds these words."""
        return words.encode() in (self.content or b"")

    def _read(self) -> object:
        if self.content is None:
            raise _unreadable(self.provider, "is too long")
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            raise _unreadable(self.provider, "is no JSON") from None

    def _query(self, link: str) -> Mapping[str, str] | None:
        try:
            return dict(httpx.URL(link).params) if link else None
        except httpx.InvalidURL:
            raise _unreadable(self.provider, "names no next page that there can be") from None


def _objects(provider: str, value: object) -> list[Told]:
    if not isinstance(value, list):
        raise _unreadable(provider, "holds no list where one has to be")
    return [Told(provider, each) for each in value]


def _unreadable(provider: str, why: str) -> TransientError:
    return TransientError("ProviderUnreachable", f"{provider}'s answer cannot be read: it {why}")
