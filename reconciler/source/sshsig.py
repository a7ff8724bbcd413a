"""Signatures made by ssh keys: OpenSSH's SSHSIG format, and the file that says whose keys are allowed.

Sources: OpenSSH's PROTOCOL.sshsig and ssh-keygen(1), ALLOWED SIGNERS. Read here are plain keys (ed25519,
ECDSA on the NIST curves, RSA of 2048 bits or more with SHA-2); certificates and hardware keys are not.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from reconciler.source.signed import SSH, Signed, unverified
from schemas.errors import InputError

NAMESPACE = "git"
MAX_ALLOWED = 1 << 20
"""Bytes of a file of allowed signers."""
MIN_RSA = 2048
_END = b"-----END SSH SIGNATURE-----"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_RSA = {b"rsa-sha2-256": hashes.SHA256(), b"rsa-sha2-512": hashes.SHA512()}
_ECDSA = {
    b"ecdsa-sha2-nistp256": hashes.SHA256(),
    b"ecdsa-sha2-nistp384": hashes.SHA384(),
    b"ecdsa-sha2-nistp521": hashes.SHA512(),
}
_OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"]*)")?')
_LINE = re.compile(
    r'(?P<who>"[^"]*"|\S+)\s+'
    rf"(?:(?P<options>{_OPTION.pattern}(?:,{_OPTION.pattern})*)\s+)?"
    r"(?P<type>(?:sk-)?(?:ssh|ecdsa)-\S+)\s+(?P<key>[A-Za-z0-9+/=]+)"
)


@dataclass(frozen=True)
class Signer:
    """One allowed key, in ssh's wire form, with whom it stands for and when it counts."""

    who: str
    key: bytes
    after: int = 0
    before: int = 2**62


def allowed_signers(text: str) -> tuple[Signer, ...]:
    """The keys of a file that may sign commits, in its order.

    Raises InputError ``AllowedSignersInvalid`` with the line that cannot be read: one that is left out
    unread may be a restriction.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line.strip())
        signer = _signer(match) if match else None
        if match is None or signer is None:
            hint = "write: principals [options] key-type key"
            raise InputError(
                "AllowedSignersInvalid", f"line {number} of the allowed signers cannot be read", hint
            )
        if NAMESPACE in signer[1]:
            found.append(signer[0])
    return tuple(found)


def ssh_signer(signed: Signed, allowed: Iterable[Signer]) -> str:
    """Who of ``allowed`` signed. Raises InputError ``UnverifiedRevision`` that says why nobody did."""
    try:
        key, algorithm, signature, message = _taken_apart(signed)
    except (ValueError, IndexError, binascii.Error):
        raise unverified("its ssh signature cannot be read") from None
    fitting = [signer for signer in allowed if signer.key == key]
    if not fitting:
        raise unverified(f"it is signed by the ssh key {fingerprint(key)}, which is not allowed")
    current = [signer for signer in fitting if signer.after <= signed.at < signer.before]
    if not current:
        raise unverified(f"the ssh key {fingerprint(key)} was not allowed at the time of the signature")
    _check(key, algorithm, signature, message)
    return current[0].who


def fingerprint(key: bytes) -> str:
    """As ssh-keygen shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _signer(match: re.Match[str]) -> tuple[Signer, frozenset[str]] | None:
    """A signer and the namespaces it may sign in; None where a line is not understood."""
    after, before, namespaces = 0, 2**62, frozenset({NAMESPACE})
    try:
        key = base64.b64decode(match["key"], validate=True)
        for option, value in _OPTION.findall(match["options"] or ""):
            name = option.lower()
            if name == "namespaces":
                namespaces = frozenset(each.strip() for each in value.split(","))
            elif name == "valid-after":
                after = _moment(value)
            elif name == "valid-before":
                before = _moment(value)
            else:  # cert-authority, and whatever comes after this was written
                return None
        if _Frame(key).text() != match["type"].encode():
            return None
    except (ValueError, LookupError):
        return None
    return Signer(match["who"].strip('"')[:200], key, after, before), namespaces


def _moment(text: str) -> int:
    """``YYYYMMDD[HHMM[SS]]``, with Z in UTC. Without it ssh means the machine's own time; here it is UTC."""
    digits = text.removesuffix("Z")
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}[len(digits)]
    return int(datetime.strptime(digits, form).replace(tzinfo=UTC).timestamp())


class _Frame:
    """ssh's wire form: strings, each after its length in four bytes. Raises ValueError at a false end."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def take(self, count: int) -> bytes:
        if len(self._rest) < count:
            raise ValueError("cut off")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def text(self) -> bytes:
        return self.take(self.number())

    def end(self) -> None:
        if self._rest:
            raise ValueError("goes on")


def _taken_apart(signed: Signed) -> tuple[bytes, bytes, bytes, bytes]:
    """Key, algorithm, signature, and the bytes that it is of. Raises ValueError."""
    lines = signed.signature.replace(b"\r", b"").strip().split(b"\n")
    if lines[0] != SSH or lines[-1] != _END:
        raise ValueError("no armor")
    frame = _Frame(base64.b64decode(b"".join(lines[1:-1]), validate=True))
    if frame.take(6) != b"SSHSIG" or frame.number() != 1:
        raise ValueError("no SSHSIG of version 1")
    key, namespace, reserved, name, blob = (frame.text() for _ in range(5))
    frame.end()
    if namespace != NAMESPACE.encode() or name not in _HASHES:
        raise ValueError("not made for Git")
    inner = _Frame(blob)
    algorithm, signature = inner.text(), inner.text()
    inner.end()
    parts = (namespace, reserved, name, _HASHES[name](signed.payload).digest())
    message = b"SSHSIG" + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return key, algorithm, signature, message


def _check(key: bytes, algorithm: bytes, signature: bytes, message: bytes) -> None:
    try:
        kind = _Frame(key).text()
        public = load_ssh_public_key(kind + b" " + base64.b64encode(key))
        _check_by(public, kind, algorithm, signature, message)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        why = f"its signature by the ssh key {fingerprint(key)} is wrong, or of a kind that is not read"
        raise unverified(why) from None


def _check_by(public: object, kind: bytes, algorithm: bytes, signature: bytes, message: bytes) -> None:
    """Raises InvalidSignature."""
    if isinstance(public, ed25519.Ed25519PublicKey) and algorithm == kind:
        public.verify(signature, message)
    elif isinstance(public, ec.EllipticCurvePublicKey) and algorithm == kind:
        frame = _Frame(signature)
        r, s = (int.from_bytes(frame.text(), "big") for _ in range(2))
        frame.end()
        public.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(_ECDSA[kind]))
    elif isinstance(public, rsa.RSAPublicKey) and algorithm in _RSA and public.key_size >= MIN_RSA:
        public.verify(signature, message, padding.PKCS1v15(), _RSA[algorithm])
    else:
        raise InvalidSignature
