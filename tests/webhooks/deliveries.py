"""Deliveries as the providers make them."""

import hmac
from hashlib import sha256
from pathlib import Path

from reconciler.source.webhooks.delivery import Secret

PAYLOADS = Path(__file__).parent / "payloads"
SECRET = b"correct horse battery staple"
NOW = 1_800_000_000.0
EVERYBODY = Secret(SECRET, frozenset({"a", "b"}))


def mac(body: bytes, secret: bytes = SECRET) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.new(secret, body, sha256).hexdigest()


def github(body: bytes, event: str = "push", secret: bytes = SECRET) -> dict[str, str]:
    return {"x-github-event": event, "x-hub-signature-256": f"sha256={mac(body, secret)}"}


def gitea(body: bytes, event: str = "push", secret: bytes = SECRET) -> dict[str, str]:
    """With the headers of GitHub and Gogs that Gitea sends too."""
    signature = mac(body, secret)
    return {
        "x-gitea-event": event,
        "x-gitea-signature": signature,
        "x-gogs-event": event,
        "x-gogs-signature": signature,
        "x-github-event": event,
        "x-hub-signature-256": f"sha256={signature}",
    }


def forgejo(body: bytes, event: str = "push", secret: bytes = SECRET) -> dict[str, str]:
    return {"x-forgejo-event": event, "x-forgejo-signature": mac(body, secret), **gitea(body, event, secret)}


def gogs(body: bytes, event: str = "push", secret: bytes = SECRET) -> dict[str, str]:
    return {"x-gogs-event": event, "x-gogs-signature": mac(body, secret)}


def gitlab(body: bytes, event: str = "Push Hook", secret: bytes = SECRET) -> dict[str, str]:
    return {"x-gitlab-event": event, "x-gitlab-token": secret.decode("latin-1")}


def bitbucket(body: bytes, event: str = "repo:push", secret: bytes = SECRET) -> dict[str, str]:
    return {"x-event-key": event, "x-hub-signature": f"sha256={mac(body, secret)}"}


def generic(body: bytes, at: float = NOW, secret: bytes = SECRET) -> dict[str, str]:
    stamp = str(int(at))
    signature = mac(stamp.encode() + b"." + body, secret)
    return {"x-moorage-timestamp": stamp, "x-moorage-signature": f"sha256={signature}"}


def payload(name: str) -> bytes:
    """One of the files in ``payloads``."""
    return (PAYLOADS / f"{name}.json").read_bytes()
