"""How a source is reached and believed: from checked YAML values to credentials, verification and secrets.

The schema says what may stand there. Nothing is opened here; a secret is read when it is needed.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reconciler.source.credentials import AGENT, Credentials, CredentialsFor, credentials_for
from reconciler.source.secrets import SecretFrom
from reconciler.source.verification import Verification

Located = Callable[[str], Path]
"""A path of the configuration as an absolute one."""


def secret_sources(value: Sequence[Mapping[str, Any]], located: Located) -> tuple[SecretFrom, ...]:
    """A list of secrets."""
    return tuple(secret_source(each, located) for each in value)


def application_credentials(
    repository: str, own: Mapping[str, Any], common: Sequence[Mapping[str, Any]], located: Located
) -> Credentials:
    """What an application of ``repository`` says of itself to its server."""
    listed = [CredentialsFor(each["url"], _credentials(each, located)) for each in common]
    return credentials_for(repository, _credentials(own, located), listed)


def verification(value: Mapping[str, Any], located: Located) -> Verification:
    """A ``verify`` section."""
    signers = value.get("allowedSigners")
    return Verification(
        mode=value.get("mode", "off"),
        allowed_signers=located(signers) if signers else None,
        keys=tuple(located(each) for each in value.get("keys", ())),
    )


def _credentials(value: Mapping[str, Any], located: Located) -> Credentials:
    if not value:
        return AGENT
    return Credentials(
        username=value.get("username"),
        password=secret_source(value["password"], located) if "password" in value else None,
        key=located(value["key"]) if "key" in value else None,
        passphrase=secret_source(value["passphrase"], located) if "passphrase" in value else None,
    )


def secret_source(value: Mapping[str, Any], located: Located) -> SecretFrom:
    """Where one secret is."""
    return SecretFrom(file=located(value["file"])) if "file" in value else SecretFrom(env=value["env"])
