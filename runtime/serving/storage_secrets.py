"""Storage secrets: from rclone's configuration keys, as Seldon Core 2 stores them, to fsspec's options.

A file holds one secret as JSON or YAML: ``{type, name, parameters}`` or plain keys. Values never
appear in a repr; whoever reports an error of a backend passes its text through
:meth:`StorageSecret.scrub`. Key names: rclone's documentation of its ``s3`` and ``google cloud
storage`` backends.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import InputError

_LIMIT = 64 * 1024  # bytes of a secret file
_SUFFIXES = ("", ".yaml", ".yml", ".json")
_PROTOCOLS = {
    "s3": "s3",
    "gcs": "gs",
    "google cloud storage": "gs",
    "gs": "gs",
}
_S3_NAMES = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "aws_endpoint_url": "endpoint",
    "aws_region": "region",
    "aws_default_region": "region",
}


@dataclass(frozen=True)
class StorageSecret:
    """One rclone remote: ``name`` is the scheme it stands for, ``protocol`` fsspec's name of it; both
    are empty for plain keys, which fit the scheme they are used with."""

    name: str
    protocol: str
    parameters: Mapping[str, str] = field(repr=False)

    def scrub(self, text: str) -> str:
        """``text`` with every value of the secret replaced; short ones say nothing and stay."""
        for value in sorted(self.parameters.values(), key=len, reverse=True):
            if len(value) >= 4 and value.lower() not in ("true", "false"):
                text = text.replace(value, "***")
        return text


def read_secret(folder: Path | None, name: str, namespace: str) -> StorageSecret:
    """The secret ``name`` as ``namespace`` sees it.

    InputError ``SecretsNotConfigured``, ``SecretNotFound`` or ``InvalidSecret``; no message quotes
    the content.
    """
    if folder is None:
        hint = "set the folder of storage secrets in the configuration"
        raise InputError("SecretsNotConfigured", f"secret {name} is wanted", hint)
    if not all(part and Path(part).name == part and not part.startswith(".") for part in (name, namespace)):
        raise InputError("SecretNotFound", f"{namespace}/{name} is no name of a secret")
    places = [folder / namespace / f"{name}{suffix}" for suffix in _SUFFIXES]
    places += [folder / f"{name}{suffix}" for suffix in _SUFFIXES]
    place = next((candidate for candidate in places if candidate.is_file()), None)
    if place is None:
        hint = f"put it at {namespace}/{name} in the folder of storage secrets"
        raise InputError("SecretNotFound", f"there is no secret {name} for namespace {namespace}", hint)
    return _parsed(place, name)


def _parsed(place: Path, name: str) -> StorageSecret:
    try:
        with place.open("rb") as file:
            content = file.read(_LIMIT + 1)
    except OSError as error:
        raise InputError("InvalidSecret", f"secret {name} cannot be read: {error.strerror}") from error
    try:
        said = yaml.safe_load(content) if len(content) <= _LIMIT else None
    except (yaml.YAMLError, ValueError, RecursionError):
        said = None  # the parser's message quotes the file
    if not isinstance(said, dict):
        hint = "write {type, name, parameters} or plain keys, as JSON or YAML"
        raise InputError("InvalidSecret", f"secret {name} is no mapping of at most {_LIMIT} bytes", hint)
    return _secret(name, said)


def _secret(name: str, said: Mapping[Any, Any]) -> StorageSecret:
    if "parameters" not in said and "type" not in said:
        return StorageSecret("", "", _strings(name, said))
    protocol = _PROTOCOLS.get(str(said.get("type")).lower())
    if protocol is None:
        known = ", ".join(sorted(_PROTOCOLS))
        raise InputError("InvalidSecret", f"secret {name} has a type that is not served", f"use {known}")
    parameters = said.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InputError("InvalidSecret", f"secret {name}: parameters is no mapping")
    return StorageSecret(str(said.get("name") or ""), protocol, _strings(name, parameters))


def _strings(name: str, said: Mapping[Any, Any]) -> dict[str, str]:
    if not all(isinstance(key, str) and isinstance(value, str | bool | int) for key, value in said.items()):
        raise InputError("InvalidSecret", f"secret {name}: every key has a plain value")
    return {key.lower(): str(value) for key, value in said.items()}


def fsspec_options(protocol: str, secret: StorageSecret | None, ambient: bool) -> dict[str, Any]:
    """The options for fsspec's file system of ``protocol``.

    Without a secret access is anonymous, or with the controller's own credentials where ``ambient``.
    InputError ``InvalidSecret`` where the secret does not fit the protocol.
    """
    if secret is not None and (protocol not in ("s3", "gs") or secret.protocol not in ("", protocol)):
        raise InputError(
            "InvalidSecret", f"the secret does not fit {protocol}://", "use secrets for s3 and gs"
        )
    if protocol == "s3":
        return _s3_options(secret, ambient)
    if protocol == "gs":
        return _gs_options(secret, ambient)
    return {}


def _s3_options(secret: StorageSecret | None, ambient: bool) -> dict[str, Any]:
    given = secret.parameters if secret else {}
    keys = {_S3_NAMES.get(key, key): value for key, value in given.items()}
    own = ambient if secret is None else keys.get("env_auth", "").lower() == "true"
    endpoint = keys.get("endpoint", "")
    client = {
        "endpoint_url": f"https://{endpoint}" if endpoint and "://" not in endpoint else endpoint,
        "region_name": keys.get("region", ""),
    }
    options = {
        "key": keys.get("access_key_id"),
        "secret": keys.get("secret_access_key"),
        "token": keys.get("session_token"),
        "client_kwargs": {name: value for name, value in client.items() if value},
        "anon": not own and not keys.get("access_key_id"),
        "config_kwargs": {"connect_timeout": 15, "read_timeout": 60, "retries": {"max_attempts": 3}},
    }
    return {name: value for name, value in options.items() if value is not None}


def _gs_options(secret: StorageSecret | None, ambient: bool) -> dict[str, Any]:
    given = secret.parameters if secret else {}
    options: dict[str, Any] = {"token": _gs_token(secret, ambient), "requests_timeout": 60}
    for key, name in (("project_number", "project"), ("endpoint", "endpoint_url")):
        if given.get(key):
            options[name] = given[key]
    return options


def _gs_token(secret: StorageSecret | None, ambient: bool) -> Any:
    given = secret.parameters if secret else {}
    credentials = given.get("service_account_credentials")
    if credentials:
        try:
            return json.loads(credentials)
        except ValueError:
            message = "service_account_credentials is no JSON"
            raise InputError("InvalidSecret", message) from None  # the cause quotes the key
    own = ambient if secret is None else given.get("env_auth", "").lower() == "true"
    return "google_default" if own else "anon"
