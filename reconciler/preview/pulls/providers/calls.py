"""One request to a provider, as a value, and which error an answer to it is.

An error says what the token lacks for this very request. It never holds the token or the answer's body.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from schemas.errors import InputError

GONE: Final = frozenset({404, 410})
HINT: Final = "docs/previews.md lists what the token needs"

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True)
class Call:
    """``needs`` is what the token has to permit, in the provider's words. ``pull`` is the pull request that a
    404 is about. ``takes`` are further statuses that the caller reads. ``repeatable`` is False where doing it
    twice is not the same as doing it once."""

    method: Method
    path: str
    needs: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    pull: int | None = None
    takes: frozenset[int] = frozenset()
    repeatable: bool = True

    @property
    def writes(self) -> bool:
        """True where it may change something."""
        return self.method != "GET"

    def judge(self, provider: str, status: int) -> None:
        """Raises InputError ``ProviderDenied`` or ``PullRequestNotFound`` where the answer is a refusal."""
        if 200 <= status < 300 or status in self.takes:
            return
        if status in GONE and self.pull is not None:
            why = f"{provider} has no pull request {self.pull} that the token may see"
            raise InputError("PullRequestNotFound", why)
        what = f"{provider} answered {status} to {self.method} {self.path}"
        if status == 401:
            raise InputError("ProviderDenied", f"{what}: it does not know the token", HINT)
        if status in (403, 404):
            raise InputError("ProviderDenied", f"{what}: the token needs {self.needs}", HINT)
        if 300 <= status < 400:
            raise InputError("ProviderDenied", f"{what}: the repository was moved", "write its new address")
        raise InputError("ProviderDenied", what, HINT)
