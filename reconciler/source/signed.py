"""A commit or tag object taken apart into what was signed and its signature, byte by byte as Git does it.

Pure: bytes in, values out. Nothing of the object is believed here; who signed is for :mod:`.sshsig` and
:mod:`.openpgp` to say.
"""

from dataclasses import dataclass

from schemas.errors import InputError

SSH, PGP = b"-----BEGIN SSH SIGNATURE-----", b"-----BEGIN PGP SIGNATURE-----"
MAX_OBJECT = 1 << 20
"""Bytes of a commit or tag object; messages are seldom longer than a few thousand."""
_SIGNATURES = (b"gpgsig", b"gpgsig-sha256")


@dataclass(frozen=True)
class Signed:
    """``payload`` is what was signed, ``signature`` the armored text; ``at`` is when it is said to have
    been made (seconds since 1970), and ``name`` what a tag calls itself."""

    payload: bytes
    signature: bytes
    at: int
    name: str = ""


def signed_commit(raw: bytes) -> Signed:
    """A commit object. Raises InputError ``UnverifiedRevision`` where it is not signed, or signed twice."""
    head, signatures = _without_signatures(_bounded(raw))
    return Signed(head, _only(signatures), _time(head, b"committer"))


def signed_tag(raw: bytes) -> Signed:
    """A tag object, whose signature stands at its end. Raises InputError ``UnverifiedRevision``."""
    raw, signatures = _without_signatures(_bounded(raw))
    if signatures:
        raise unverified("the tag is signed in its header, which is not read")
    start, at = -1, 0
    for line in raw.split(b"\n"):
        start = at if line.rstrip(b"\r") in (SSH, PGP) else start
        at += len(line) + 1
    if start < 0:
        raise unverified("the tag is not signed")
    name = _field(raw, b"tag").decode("utf-8", "replace")
    return Signed(raw[:start], raw[start:], _time(raw, b"tagger"), name)


def unverified(why: str) -> InputError:
    """The one error of whatever cannot be verified."""
    return InputError("UnverifiedRevision", why, "sign it with an allowed key, or allow the key (verify)")


def _bounded(raw: bytes) -> bytes:
    if len(raw) > MAX_OBJECT:
        raise unverified(f"the object is larger than {MAX_OBJECT} bytes")
    return raw


def _without_signatures(raw: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The object without its signature headers, and these; a header goes on in lines that begin with a
    space, and all headers end at the first empty line."""
    head, blank, message = raw.partition(b"\n\n")
    kept: list[bytes] = []
    found: list[tuple[bytes, bytes]] = []
    inside = False
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        if line.startswith(b" "):
            if inside:
                found[-1] = found[-1][0], found[-1][1] + b"\n" + line[1:]
        else:
            inside = name in _SIGNATURES
            if inside:
                found.append((name, value))
        if not inside:
            kept.append(line)
    return b"\n".join(kept) + blank + message, found


def _only(signatures: list[tuple[bytes, bytes]]) -> bytes:
    if not signatures:
        raise unverified("the commit is not signed")
    if len(signatures) > 1 or signatures[0][0] != b"gpgsig":
        raise unverified("the commit does not have one signature of the kind that is read")
    return signatures[0][1]


def _field(raw: bytes, name: bytes) -> bytes:
    for line in raw.partition(b"\n\n")[0].split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == name:
            return value
    return b""


def _time(raw: bytes, who: bytes) -> int:
    """``Ada <ada@example.org> 1700000000 +0000``."""
    words = _field(raw, who).rsplit(b" ", 2)
    return int(words[1]) if len(words) == 3 and words[1].isdigit() and len(words[1]) <= 12 else 0
