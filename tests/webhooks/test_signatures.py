"""Who may hint: signatures of every provider, and everything that is not one."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.source.webhooks.delivery import TOLERANCE, Secret
from reconciler.source.webhooks.signatures import verify
from schemas.errors import InputError
from tests.webhooks.deliveries import (
    EVERYBODY,
    NOW,
    SECRET,
    bitbucket,
    forgejo,
    generic,
    gitea,
    github,
    gitlab,
    gogs,
)

SIGNERS = [(bitbucket, "bitbucket"), (forgejo, "gitea"), (generic, "generic"), (gitea, "gitea"),
           (github, "github"), (gitlab, "gitlab"), (gogs, "gitea")]  # fmt: skip
BODY = b'{"ref": "refs/heads/main"}'

Signer = Callable[..., dict[str, str]]


def refusal(headers: dict[str, str], body: bytes = BODY, secrets=(EVERYBODY,), now: float = NOW) -> str:
    with pytest.raises(InputError) as caught:
        verify(headers, body, secrets, now)
    return caught.value.reason


@pytest.mark.parametrize(("sign", "provider"), SIGNERS)
def test_a_signed_delivery_is_taken(sign: Signer, provider: str) -> None:
    """Each provider is recognised by its own headers, Gitea also behind those of others."""
    delivery = verify(sign(BODY), BODY, [EVERYBODY], NOW)
    assert (delivery.provider, delivery.applications) == (provider, {"a", "b"})


@pytest.mark.parametrize(("sign", "provider"), SIGNERS)
def test_another_secret_is_refused(sign: Signer, provider: str) -> None:
    """Even one that begins like ours."""
    assert refusal(sign(BODY, secret=SECRET[:-1])) == "SignatureInvalid"


@pytest.mark.parametrize(("sign", "provider"), [each for each in SIGNERS if each[0] is not gitlab])
def test_another_body_is_refused(sign: Signer, provider: str) -> None:
    """A signature is of one body; GitLab's token is the only one that is of none."""
    assert refusal(sign(BODY), BODY + b" ") == "SignatureInvalid"


@pytest.mark.parametrize(("sign", "provider"), SIGNERS)
def test_a_delivery_without_signature_is_refused(sign: Signer, provider: str) -> None:
    """What says who it is and proves nothing."""
    bare = {
        name: value for name, value in sign(BODY).items() if "signature" not in name and "token" not in name
    }
    assert refusal(bare) in ("SignatureMissing", "UnknownProvider")


@pytest.mark.parametrize("given_", ["", "sha256=", "sha1=aa", "sha256=" + "0" * 64, "sha256=" + "é" * 64])
def test_what_is_no_signature_is_refused(given_: str) -> None:
    """Empty, of another kind, of the right length, of another alphabet."""
    assert refusal({"x-github-event": "push", "x-hub-signature-256": given_}) == "SignatureInvalid"


def test_the_old_signature_of_github_is_not_looked_at() -> None:
    """SHA-1 proves nothing any more."""
    assert refusal({"x-github-event": "push", "x-hub-signature": "sha1=00"}) == "SignatureMissing"


def test_without_secrets_nothing_is_taken() -> None:
    """No secret is not an open door."""
    assert refusal(github(BODY), secrets=()) == "SignatureInvalid"


def test_any_of_several_secrets_is_enough() -> None:
    """So that one can be replaced by another."""
    new = Secret(b"another secret of ours", frozenset({"c"}))
    assert verify(github(BODY), BODY, [new, EVERYBODY], NOW).applications == {"a", "b"}
    assert verify(github(BODY, secret=new.value), BODY, [new, EVERYBODY], NOW).applications == {"c"}


def test_a_secret_of_two_applications_is_for_both() -> None:
    """Everything that the sender is allowed counts."""
    twice = [Secret(SECRET, frozenset({"a"})), Secret(SECRET, frozenset({"b"}))]
    assert verify(github(BODY), BODY, twice, NOW).applications == {"a", "b"}


@pytest.mark.parametrize("off", [-TOLERANCE - 1, TOLERANCE + 1])
def test_a_generic_delivery_from_another_time_is_refused(off: float) -> None:
    """Too old or from the future."""
    assert refusal(generic(BODY, NOW + off)) == "DeliveryExpired"


@pytest.mark.parametrize("off", [-TOLERANCE, 0, TOLERANCE])
def test_a_generic_delivery_within_the_tolerance_is_taken(off: float) -> None:
    """Clocks differ; until when it would be taken again is told, so that somebody remembers it."""
    delivery = verify(generic(BODY, NOW + off), BODY, [EVERYBODY], NOW)
    assert delivery.expires == NOW + off + TOLERANCE
    assert delivery.signature


def test_the_time_of_a_generic_delivery_is_signed() -> None:
    """A recorded delivery does not become new by another timestamp."""
    recorded = {**generic(BODY, NOW - 3600), "x-moorage-timestamp": str(int(NOW))}
    assert refusal(recorded) == "SignatureInvalid"


@pytest.mark.parametrize("stamp", [None, "", "now", "-1", "1e9", "٣", "9" * 13])
def test_a_generic_delivery_needs_a_time(stamp: str | None) -> None:
    """Seconds in digits, and not too many of them."""
    headers = generic(BODY)
    del headers["x-moorage-timestamp"]
    assert (
        refusal({**headers, **({} if stamp is None else {"x-moorage-timestamp": stamp})})
        == "SignatureMissing"
    )


def test_a_secret_is_not_shown() -> None:
    """Neither by its own representation nor by that of a delivery."""
    assert SECRET.decode() not in repr(EVERYBODY)
    assert BODY.decode() not in repr(verify(gitlab(BODY), BODY, [EVERYBODY], NOW))


NAMES = st.sampled_from(
    [*sorted({name for sign, _ in SIGNERS for name in sign(BODY)}), "x-moorage-timestamp", "host"]
)


@given(
    st.dictionaries(NAMES, st.text(max_size=80)), st.binary(max_size=80), st.binary(max_size=40), st.floats()
)
def test_whatever_comes_is_refused_by_an_error_of_ours(headers, body, secret, now) -> None:
    """Any headers and any bytes: nobody who does not know the secret gets through, and nothing else is raised."""
    with pytest.raises(InputError):
        verify(headers, body, [Secret(b"unguessable " + secret, frozenset({"a"}))], now)
