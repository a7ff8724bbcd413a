"""Who sent a delivery: the provider by its headers, and a secret that it knows.

Comparisons take the same time whatever differs, and every secret is tried whichever one fits, so that an
answer's time tells nothing. Which header is looked at depends on what the sender claims to be; that is
harmless, since each way needs the same secret.
"""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from reconciler.source.webhooks.delivery import TOLERANCE, Delivery, Provider, Secret
from schemas.errors import InputError

MAX_EVENT = 100
"""Characters of an event's name that are looked at."""
TIMESTAMP = "x-moorage-timestamp"


@dataclass(frozen=True)
class _Scheme:
    """How a provider is recognised (header of the event) and how it signs: headers and their prefix."""

    provider: Provider
    event: str
    signatures: tuple[tuple[str, str], ...]


_HUB = ("x-hub-signature-256", "sha256=")
_SCHEMES = (
    _Scheme("generic", "x-moorage-signature", (("x-moorage-signature", "sha256="),)),
    _Scheme("gitea", "x-forgejo-event", (("x-forgejo-signature", ""), ("x-gitea-signature", ""), _HUB)),
    _Scheme("gitea", "x-gitea-event", (("x-gitea-signature", ""), _HUB)),
    _Scheme("gitea", "x-gogs-event", (("x-gogs-signature", ""), _HUB)),
    _Scheme("github", "x-github-event", (_HUB,)),
    _Scheme("gitlab", "x-gitlab-event", (("x-gitlab-token", ""),)),
    _Scheme("bitbucket", "x-event-key", (("x-hub-signature", "sha256="),)),
)
"""Gitea also sends the headers of GitHub and Gogs, so it is asked for first."""


def verify(headers: Mapping[str, str], body: bytes, secrets: Iterable[Secret], now: float) -> Delivery:
    """The delivery, once one of ``secrets`` is known to have signed it. Header names are in lower case;
    ``now`` is in seconds since 1970.

    Raises InputError ``UnknownProvider``, ``SignatureMissing``, ``SignatureInvalid`` or ``DeliveryExpired``.
    """
    scheme = recognise(headers)
    given = _given(headers, scheme)
    signed, expires = body, 0.0
    if scheme.provider == "generic":
        stamp = headers.get(TIMESTAMP, "")
        signed, expires = stamp.encode("utf-8", "replace") + b"." + body, _time(stamp) + TOLERANCE
    fitting = [secret.applications for secret in secrets if _fits(scheme, secret, signed, given)]
    if not fitting:
        raise InputError(
            "SignatureInvalid",
            "no secret that is configured here made this signature",
            "set the same secret at the provider and in webhookSecrets",
        )
    if expires and not now <= expires <= now + 2 * TOLERANCE:
        raise InputError(
            "DeliveryExpired", f"{TIMESTAMP} is off by more than {TOLERANCE:.0f} s", "send it anew"
        )
    event = "" if scheme.provider == "generic" else headers[scheme.event][:MAX_EVENT]
    applications = frozenset[str]().union(*fitting)
    return Delivery(scheme.provider, event, body, applications, given if expires else "", expires)


def recognise(headers: Mapping[str, str]) -> _Scheme:
    """What a sender claims to be. Raises InputError ``UnknownProvider``."""
    for scheme in _SCHEMES:
        if scheme.event in headers:
            return scheme
    raise InputError(
        "UnknownProvider",
        "no header says which provider this is",
        "docs/operations.md lists the providers and how to sign a delivery of your own",
    )


def _given(headers: Mapping[str, str], scheme: _Scheme) -> str:
    for name, prefix in scheme.signatures:
        if name in headers:
            return headers[name].removeprefix(prefix)
    wanted = " or ".join(name for name, _ in scheme.signatures)
    raise InputError("SignatureMissing", f"the delivery has no {wanted}", "set a secret at the provider")


def _fits(scheme: _Scheme, secret: Secret, signed: bytes, given: str) -> bool:
    """GitLab sends the secret itself; digests are compared, so that not even its length is told."""
    told = given.encode("utf-8", "replace")
    if scheme.provider == "gitlab":
        return hmac.compare_digest(sha256(secret.value).digest(), sha256(told).digest())
    return hmac.compare_digest(hmac.new(secret.value, signed, sha256).hexdigest().encode(), told)


def _time(stamp: str) -> float:
    if stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12:
        return float(stamp)
    raise InputError("SignatureMissing", f"the delivery has no {TIMESTAMP} in seconds since 1970", "send one")
