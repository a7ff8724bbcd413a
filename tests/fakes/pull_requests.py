"""Pull requests in memory, for faults and for speed: the protocol of a provider without one.

It passes the contract that the adapters pass (:mod:`tests.preview.providers`). ``faults`` are raised by the next
calls of that name, one each; ``written`` counts what was written.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from reconciler.preview.pulls.pull_requests import Comment, CommitStatus, PullRequest
from schemas.errors import InputError, MoorageError


@dataclass
class FakePullRequests:
    """One repository's. Tests change ``pulls`` as people would."""

    pulls: dict[int, PullRequest] = field(default_factory=dict)
    comments: dict[int, list[Comment]] = field(default_factory=dict)
    statuses: dict[str, CommitStatus] = field(default_factory=dict)
    faults: dict[str, list[MoorageError]] = field(default_factory=dict)
    written: Counter[str] = field(default_factory=Counter)
    public: bool = False
    longest: int = 65_000

    def put(self, pull: PullRequest) -> None:
        """Open it, or change it."""
        self.pulls[pull.number] = pull

    def change(self, number: int, **fields: object) -> None:
        """Change some facts of it."""
        self.pulls[number] = replace(self.pulls[number], **fields)  # type: ignore[arg-type]  # names of its fields

    async def is_public(self) -> bool:
        """As it is set."""
        self._fail("is_public")
        return self.public

    async def opened(self) -> tuple[PullRequest, ...]:
        """By number."""
        self._fail("opened")
        return tuple(
            self.pulls[number] for number in sorted(self.pulls) if self.pulls[number].state == "open"
        )

    async def pull_request(self, number: int) -> PullRequest:
        """One of them."""
        self._fail("pull_request")
        if number not in self.pulls:
            raise InputError("PullRequestNotFound", f"there is no pull request {number}")
        return self.pulls[number]

    async def find_comment(self, number: int, marker: str) -> Comment | None:
        """Ours: here nobody else writes any."""
        self._fail("find_comment")
        found = (each for each in self.comments.get(number, ()) if marker in each.text)
        return next(found, None)

    async def write_comment(self, number: int, text: str, comment: int | None = None) -> int:
        """A new one, or another text of an old one."""
        self._fail("write_comment")
        self.written["comment"] += 1
        known = self.comments.setdefault(number, [])
        for place, each in enumerate(known):
            if each.id == comment:
                known[place] = Comment(each.id, text)
                return each.id
        made = Comment(1 + sum(map(len, self.comments.values())), text)
        known.append(made)
        return made.id

    async def set_status(self, commit: str, status: CommitStatus) -> None:
        """In place of what was said before."""
        self._fail("set_status")
        self.written["status"] += 1
        self.statuses[commit] = status

    async def set_label(self, number: int, label: str, *, present: bool) -> None:
        """On or off."""
        self._fail("set_label")
        self.written["label"] += 1
        labels = {*self.pulls[number].labels, label} if present else {*self.pulls[number].labels} - {label}
        self.change(number, labels=tuple(sorted(labels)))

    async def close(self) -> None:
        """Nothing is open."""

    def _fail(self, name: str) -> None:
        waiting = self.faults.get(name)
        if waiting:
            raise waiting.pop(0)
