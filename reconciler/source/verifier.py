"""A revision believed or not: its raw object, and the keys that the application allows.

The keys are read from their files for every commit that is checked, so that one who left is out at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.source.signed import PGP, SSH, Signed, signed_commit, signed_tag, unverified
from reconciler.source.sshsig import MAX_ALLOWED, allowed_signers, ssh_signer
from reconciler.source.verification import Verification
from schemas.errors import InputError


@dataclass(frozen=True)
class Candidate:
    """What a revision names: the commit, and the tag objects that lead to it. ``name`` is that of the tag
    that is followed; it is empty where a commit is named by its id, and then any tag may vouch for it."""

    commit: bytes
    tags: tuple[bytes, ...] = ()
    name: str = ""


def verify_revision(setting: Verification, candidate: Candidate) -> str:
    """Who signed it; empty where nobody has to.

    Raises InputError ``UnverifiedRevision``, or one that says why allowed keys cannot be read.
    """
    if setting.mode == "off":
        return ""
    if setting.mode == "head":
        return _signer(setting, signed_commit(candidate.commit))
    return _tag_signer(setting, candidate.tags, candidate.name)


def _tag_signer(setting: Verification, tags: Iterable[bytes], name: str) -> str:
    """An old signed tag under a new name proves nothing: the name is signed too, and has to fit."""
    why = unverified("it is no annotated tag")
    for raw in tags:
        try:
            signed = signed_tag(raw)
            who = _signer(setting, signed)
        except InputError as error:
            if error.reason != why.reason:
                raise
            why = error
            continue
        if name in ("", signed.name):
            return who
        why = unverified(f"the tag was signed under the name {signed.name[:100]!r}")
    raise why


def _signer(setting: Verification, signed: Signed) -> str:
    if signed.signature.startswith(SSH):
        return ssh_signer(signed, allowed_signers(_text(setting.allowed_signers)))
    if signed.signature.startswith(PGP):
        # Native code of some megabytes that only such signatures need.
        from reconciler.source.openpgp import certificates, pgp_signer

        return pgp_signer(signed, certificates(setting.keys))
    raise unverified("it is signed in a way that is not read (ssh and OpenPGP are)")


def _text(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_ALLOWED).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = f"{file} cannot be read: {getattr(error, 'strerror', None) or 'no text'}"
        raise InputError("VerificationKeyUnreadable", why, "put the allowed signers there") from error
