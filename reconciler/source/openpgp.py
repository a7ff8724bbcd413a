"""Signatures made by OpenPGP keys, judged by Sequoia under its own policy (no SHA-1, no expired or revoked
key). What counts as allowed is only what the given certificates say.
"""

from collections.abc import Sequence
from pathlib import Path

import pysequoia

from reconciler.source.signed import Signed, unverified
from schemas.errors import InputError

MAX_KEY = 1 << 20
"""Bytes of a file of certificates."""


def certificates(files: Sequence[Path]) -> tuple[pysequoia.Cert, ...]:
    """The certificates in ``files``. Raises InputError ``VerificationKeyUnreadable``."""
    found: list[pysequoia.Cert] = []
    for file in files:
        try:
            with file.open("rb") as opened:
                found.extend(pysequoia.Cert.split_bytes(opened.read(MAX_KEY)))
        except OSError as error:
            raise _unreadable(file, str(error.strerror)) from error
        except Exception as error:  # Sequoia's errors have no class of their own
            raise _unreadable(file, "no OpenPGP certificate") from error
    return tuple(found)


def pgp_signer(signed: Signed, allowed: Sequence[pysequoia.Cert]) -> str:
    """The user of the certificate that signed. Raises InputError ``UnverifiedRevision``."""
    try:
        signature = pysequoia.Sig.from_bytes(signed.signature)
    except Exception as error:
        raise unverified("its OpenPGP signature cannot be read") from error
    try:
        judged = pysequoia.verify(signed.payload, store=lambda _: list(allowed), signature=signature)
    except Exception as error:
        by = str(signature.issuer_fingerprint or "unknown")[:64]
        raise unverified(
            f"its signature by the OpenPGP key {by} is wrong, or that key is not allowed"
        ) from error
    fingerprint = judged.valid_sigs[0].certificate
    named = [str(user) for each in allowed if each.fingerprint == fingerprint for user in each.user_ids]
    return (named or [fingerprint])[0][:200]


def _unreadable(file: Path, why: str) -> InputError:
    return InputError("VerificationKeyUnreadable", f"{file}: {why}", "export the public key there")
