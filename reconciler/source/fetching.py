"""A remote repository's refs and objects, brought into a mirror: who we are, whom we believe, how much we take.

A fetch never takes away what was read before: where it fails, nothing has moved. Blocks; callers run it
in a thread.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pygit2
import stamina
from pygit2.enums import CredentialType, FetchPrune
from pygit2.remotes import RemoteHead, TransferProgress

from reconciler.source.credentials import TOKEN_USER, Credentials, origin
from reconciler.source.urls import redacted, without_credentials
from schemas.errors import InputError, MoorageError, TransientError

MAX_BYTES = 2 << 30
"""Of one fetch."""
MAX_OBJECTS = 5_000_000
MAX_SECONDS = 600.0
"""Of one fetch, so that a server that trickles does not hold its application for ever."""
TIMEOUTS_MS = (15_000, 60_000)
"""To connect to a remote, and to wait for it to go on: one that hangs must not hang its application."""
ATTEMPTS = 3
RETRY_SECONDS = 30.0
"""Within which a failed fetch is tried again; after that the next poll is soon enough."""
REMOTE_HEAD = "refs/moorage/HEAD"
"""Where the mirror keeps what the remote's HEAD names."""
_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", f"+HEAD:{REMOTE_HEAD}")
_NO_CHALLENGE = "requires authentication that we do not support"
"""What libgit2 1.9 says of a 401 without WWW-Authenticate: Gitea's answer to a wrong password or token."""
_TIPS, _NEW, _WHOLE = 1, 0, 2**31 - 1
"""Depths, as libgit2 counts: only the tips, what is new, and everything that was left out before."""


def fetch(mirror: pygit2.Repository, address: str, credentials: Credentials, *, whole: bool = False) -> None:
    """Bring ``mirror`` up to date. The first fetch takes the tips without their history, later ones what
    came since; ``whole`` takes the history as well. Trees are compared by id, so none of that is missed.

    Raises TransientError ``FetchFailed``; InputError ``FetchDenied``, ``HostKeyUnknown``,
    ``CertificateRefused``, ``FetchTooLarge`` or ``CredentialUnreadable``. No message holds a secret.
    """
    depth = (
        _WHOLE
        if whole and mirror.is_shallow
        else _TIPS
        if next(iter(mirror.references), None) is None
        else _NEW
    )
    _bring(mirror, address, credentials, _REFS, depth)


def fetch_whole(
    mirror: pygit2.Repository, address: str, credentials: Credentials, refspecs: Sequence[str] = _REFS
) -> None:
    """Bring what ``refspecs`` name with all of its history. There has to be one: libgit2 takes none for any.

    Raises what :func:`fetch` raises.
    """
    _bring(mirror, address, credentials, refspecs, _WHOLE if mirror.is_shallow else _NEW)


def heads(git: pygit2.Repository, address: str, credentials: Credentials) -> list[RemoteHead]:
    """The refs that a remote repository has. Raises what :func:`fetch` raises but for ``FetchTooLarge``."""
    for attempt in _attempts():
        with attempt, _dealings(address, credentials) as dealings:
            found = git.remotes.create_anonymous(address).list_heads(callbacks=dealings)
    return found


def know_hosts(known_hosts: Path | None, folder: Path) -> None:
    """Believe the ssh host keys in ``known_hosts`` and no others, in this whole process; None leaves it
    with those of the user. ``folder`` is ours to write in.

    libgit2 looks for them in the home folder and nowhere else, so it is shown one that holds just them.
    """
    if known_hosts is None:
        return
    link = folder / ".ssh" / "known_hosts"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(known_hosts)
    pygit2.settings.homedir = str(folder)


def _bring(
    mirror: pygit2.Repository, address: str, credentials: Credentials, refspecs: Sequence[str], depth: int
) -> None:
    for attempt in _attempts():
        with attempt, _dealings(address, credentials) as dealings:
            remote = mirror.remotes.create_anonymous(address)
            remote.fetch(list(refspecs), prune=FetchPrune.PRUNE, callbacks=dealings, depth=depth)


def _attempts() -> Iterable[stamina.Attempt]:
    pygit2.settings.server_connect_timeout, pygit2.settings.server_timeout = TIMEOUTS_MS
    return stamina.retry_context(
        on=TransientError, attempts=ATTEMPTS, timeout=RETRY_SECONDS, wait_initial=0.5, wait_max=4.0
    )


@contextmanager
def _dealings(address: str, credentials: Credentials) -> Iterator["Dealings"]:
    """One dealing with ``address``; what libgit2 raises in it becomes an error of ours."""
    dealings = Dealings(address, credentials)
    try:
        yield dealings
    except MoorageError:
        raise
    except (pygit2.GitError, ValueError) as error:
        if dealings.doubted is not None:
            raise dealings.doubted from error
        if _NO_CHALLENGE in str(error):
            raise dealings.refused() from error
        raise TransientError("FetchFailed", f"{redacted(address)}: {words(error, address)}") from error


def words(error: Exception, address: str) -> str:
    """What libgit2 says of a dealing with ``address``, without anything secret of it."""
    # Words of a ValueError may be a part of the address that looks like a port and is a password.
    readable = isinstance(error, pygit2.GitError)
    return without_credentials(str(error), address) if readable else "the address cannot be read"


class Dealings(pygit2.RemoteCallbacks):
    """What libgit2 asks during one fetch or push. Our errors pass through it; ``doubted`` says why a server's key
    or certificate was not believed."""

    def __init__(self, address: str, credentials: Credentials) -> None:
        super().__init__()
        self.doubted: InputError | None = None
        self._address = address
        self._credentials = credentials
        self._asked = False
        self._until = time.monotonic() + MAX_SECONDS

    def credentials(
        self, url: str, username_from_url: str | None, allowed_types: CredentialType
    ) -> pygit2.credentials.Username | pygit2.UserPass | pygit2.Keypair:
        """Called where the server wants to know who asks: answered once, for it asks until it is content.

        ``url`` is where a redirect has led to (tried with libgit2 1.9); another host is told nothing.
        """
        if not _same_place(url, self._address):
            raise self._denied(
                "it sends us elsewhere, where nobody is told who we are", "name its new address"
            )
        user = username_from_url or self._credentials.username
        if allowed_types & CredentialType.USERNAME:
            return pygit2.credentials.Username(user or "git")
        if self._asked:
            raise self.refused()
        self._asked = True
        return self._answer(user, allowed_types)

    def _answer(self, user: str | None, allowed: CredentialType) -> pygit2.UserPass | pygit2.Keypair:
        mine = self._credentials
        if allowed & CredentialType.USERPASS_PLAINTEXT and mine.password is not None:
            return pygit2.UserPass(mine.username or user or TOKEN_USER, mine.password.read())
        if not allowed & CredentialType.SSH_KEY:
            raise self._denied("the server wants to know who asks", "set credentials (docs/configuration.md)")
        if mine.key is None:
            return pygit2.KeypairFromAgent(user or "git")
        passphrase = mine.passphrase.read() if mine.passphrase is not None else ""
        return pygit2.Keypair(user or "git", None, str(mine.key), passphrase)

    def certificate_check(self, certificate: None, valid: bool, host: bytes) -> bool:  # noqa: ARG002 (libgit2 passes it)
        """Called with libgit2's own judgement of the server's key or certificate: it stands.

        Without this override an unknown ssh host is accepted (tried with libgit2 1.9).
        """
        if not valid:
            self.doubted = _doubt(self._address, host.decode("utf-8", "replace"))
        return bool(valid)

    def transfer_progress(self, stats: TransferProgress) -> None:
        """Called all the time while objects come."""
        if stats.received_bytes > MAX_BYTES or stats.total_objects > MAX_OBJECTS:
            what = f"more than {MAX_OBJECTS} objects or {MAX_BYTES >> 20} MiB at once"
            raise InputError(
                "FetchTooLarge", f"{redacted(self._address)} sends {what}", "use a smaller repository"
            )
        if time.monotonic() > self._until:
            raise TransientError(
                "FetchFailed", f"{redacted(self._address)} was not done in {MAX_SECONDS:.0f} s"
            )

    def refused(self) -> InputError:
        """The server has heard who we are, and it is not enough."""
        return self._denied("the server refuses us", "give the application credentials that it knows")

    def _denied(self, why: str, hint: str) -> InputError:
        return InputError("FetchDenied", f"{redacted(self._address)}: {why}", hint)


def _same_place(url: str, address: str) -> bool:
    """Whether libgit2 asks for the host that we named. It tells our own address with its password decoded,
    which cannot be taken apart again; that of a redirect has no user name, or is not to be believed."""
    if url in (address, unquote(address)):
        return True
    try:
        return "@" not in url and origin(url) == origin(address)
    except ValueError:
        return False


def _doubt(address: str, host: str) -> InputError:
    if origin(address)[0] == "https":
        return InputError(
            "CertificateRefused", f"{host} has no certificate that this machine trusts", "mend it"
        )
    hint = "check its key and add it to the known hosts"
    return InputError("HostKeyUnknown", f"{host} shows a key that the known hosts do not have", hint)
