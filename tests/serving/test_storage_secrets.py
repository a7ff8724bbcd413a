"""Storage secrets: read, translated for fsspec, never shown."""

import json

import fsspec
import pytest

from runtime.serving.storage_secrets import StorageSecret, fsspec_options, read_secret
from schemas.errors import InputError

MINIO = {
    "type": "s3",
    "name": "s3",
    "parameters": {
        "provider": "minio",
        "env_auth": False,
        "access_key_id": "minioadmin",
        "secret_access_key": "hunter2hunter2",
        "endpoint": "http://minio.minio-system:9000",
        "region": "eu-1",
    },
}


def write(folder, name, content):
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content if isinstance(content, str) else json.dumps(content))


def refused(folder, name="minio", namespace="ns") -> InputError:
    with pytest.raises(InputError) as failure:
        read_secret(folder, name, namespace)
    return failure.value


@pytest.mark.parametrize("name", ["minio", "minio.json", "minio.yaml", "ns/minio", "ns/minio.yml"])
def test_a_secret_is_found_by_name(tmp_path, name):
    """With or without suffix, for one namespace or for all."""
    write(tmp_path, name, MINIO)
    secret = read_secret(tmp_path, "minio", "ns")
    assert (secret.name, secret.protocol) == ("s3", "s3")


def test_the_namespaces_own_secret_wins(tmp_path):
    """A shared secret of the same name is hidden by it, and other namespaces do not see it."""
    write(tmp_path, "minio", {"access_key_id": "shared"})
    write(tmp_path, "ns/minio", {"access_key_id": "own"})
    assert read_secret(tmp_path, "minio", "ns").parameters["access_key_id"] == "own"
    assert read_secret(tmp_path, "minio", "other").parameters["access_key_id"] == "shared"


@pytest.mark.parametrize(("name", "namespace"), [("../x", "ns"), ("x/y", "ns"), ("", "ns"), ("x", "..")])
def test_a_name_cannot_leave_the_folder(tmp_path, name, namespace):
    """Names come from manifests."""
    write(tmp_path, "x", MINIO)
    assert refused(tmp_path / "ns", name, namespace).reason == "SecretNotFound"


def test_a_missing_secret_says_where_to_put_it(tmp_path):
    """And without a folder the configuration is what has to change."""
    assert "ns/minio" in refused(tmp_path).hint
    assert refused(None).reason == "SecretsNotConfigured"


@pytest.mark.parametrize(
    "content",
    [
        "hunter2hunter2",
        "- hunter2hunter2",
        "a: [hunter2hunter2",
        {"type": "s3", "parameters": "hunter2hunter2"},
        {"type": "ftp", "parameters": {"pass": "hunter2hunter2"}},
        {"key": ["hunter2hunter2"]},
        "hunter2hunter2: " + "x" * 70_000,
        "!!python/object/apply:os.system [hunter2hunter2]",
    ],
)
def test_a_secret_that_cannot_be_used_is_not_quoted(tmp_path, content):
    """No error shows what the file holds."""
    write(tmp_path, "minio", content)
    error = refused(tmp_path)
    assert error.reason == "InvalidSecret"
    assert "hunter2" not in repr(error) + str(error.__cause__)


def test_values_are_not_in_the_repr(tmp_path):
    """A secret that ends up in a log by accident says only what it is for."""
    write(tmp_path, "minio", MINIO)
    secret = read_secret(tmp_path, "minio", "ns")
    assert "hunter2" not in repr(secret)
    assert secret.scrub("denied for hunter2hunter2 / minioadmin") == "denied for *** / ***"


def options(protocol: str, parameters: dict[str, str] | None, ambient: bool = False):
    secret = None if parameters is None else StorageSecret("", "", parameters)
    return fsspec_options(protocol, secret, ambient)


def test_rclone_keys_become_s3_options(tmp_path):
    """fsspec's own S3 class takes what rclone's configuration says."""
    write(tmp_path, "minio", MINIO)
    translated = fsspec_options("s3", read_secret(tmp_path, "minio", "ns"), ambient=False)
    system = fsspec.filesystem("s3", skip_instance_cache=True, **translated)
    assert (system.key, system.secret, system.anon) == ("minioadmin", "hunter2hunter2", False)
    assert system.client_kwargs == {"endpoint_url": "http://minio.minio-system:9000", "region_name": "eu-1"}


def test_plain_aws_names_are_understood():
    """Keys may be written as the AWS tools name them."""
    translated = options("s3", {"aws_access_key_id": "id", "aws_secret_access_key": "key"})
    assert (translated["key"], translated["secret"], translated["anon"]) == ("id", "key", False)


def test_an_endpoint_without_scheme_is_https():
    """As rclone reads it."""
    assert options("s3", {"endpoint": "minio:9000"})["client_kwargs"]["endpoint_url"] == "https://minio:9000"


@pytest.mark.parametrize(
    ("parameters", "ambient", "anonymous"),
    [(None, False, True), (None, True, False), ({}, True, True), ({"env_auth": "True"}, False, False)],
)
def test_the_controllers_own_credentials_are_used_only_where_allowed(parameters, ambient, anonymous):
    """By the configuration for models without a secret, by ``env_auth`` in a secret."""
    assert options("s3", parameters, ambient)["anon"] is anonymous
    assert (options("gs", parameters, ambient)["token"] == "anon") is anonymous


def test_a_service_account_becomes_a_gs_token():
    """fsspec's own GCS class takes the service account; a broken one is not quoted."""
    account = {"type": "service_account", "project_id": "p"}
    translated = options("gs", {"service_account_credentials": json.dumps(account), "project_number": "42"})
    assert translated["token"] == account
    assert translated["project"] == "42"
    with pytest.raises(InputError) as failure:
        options("gs", {"service_account_credentials": "{hunter2"})
    assert "hunter2" not in str(failure.value)
    assert failure.value.__cause__ is None


def test_anonymous_gs_needs_no_network_to_be_made():
    """fsspec's own GCS class takes the anonymous options."""
    fsspec.filesystem("gs", skip_instance_cache=True, **options("gs", None))


@pytest.mark.parametrize("protocol", ["http", "memory"])
def test_a_secret_for_a_protocol_without_secrets_is_refused(protocol):
    """Credentials are not sent where nobody knows what they mean."""
    with pytest.raises(InputError, match="InvalidSecret"):
        options(protocol, {"key": "x"})
    assert options(protocol, None) == {}


def test_a_secret_of_another_type_is_refused():
    """An S3 secret is not sent to GCS."""
    with pytest.raises(InputError, match="InvalidSecret"):
        fsspec_options("gs", StorageSecret("s3", "s3", {}), ambient=False)
