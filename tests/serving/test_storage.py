"""Where a ``storageUri`` points under the configuration's rules."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.serving.storage import Location, PrefixMapping, StorageRules, locate, shown
from schemas.errors import InputError

MAPPED = StorageRules(
    mappings=(
        PrefixMapping("gs://models", "/mirror/all"),
        PrefixMapping("gs://models/iris", "s3://cache/iris/"),
        PrefixMapping("s3://whole/", "file:///mirror/whole"),
    )
)


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("gs://models/wine", Location("/mirror/all/wine", "file", Path("/mirror/all"))),
        ("gs://models", Location("/mirror/all", "file", Path("/mirror/all"))),
        ("gs://models/iris/v1", Location("s3://cache/iris/v1", "s3")),
        ("gs://models/iris", Location("s3://cache/iris/", "s3")),
        ("gs://models/irises", Location("/mirror/all/irises", "file", Path("/mirror/all"))),
        ("gs://models-old/x", Location("gs://models-old/x", "gs")),
        ("s3://whole/a/b", Location("/mirror/whole/a/b", "file", Path("/mirror/whole"))),
        ("/plain/path", Location("/plain/path", "file")),
        ("file:///plain/path", Location("/plain/path", "file")),
        ("file://localhost/plain", Location("/plain", "file")),
        ("HTTPS://host/x", Location("HTTPS://host/x", "https")),
    ],
)
def test_the_longest_prefix_wins_at_a_boundary(uri, location):
    """Prefixes are mapped as registry mirrors map them, and only at the boundary of a path part."""
    assert locate(uri, MAPPED) == location


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "iris",
        "./iris",
        "file://host/x",
        "s3://b/../c",
        "gs://models/../../etc",
        "http://h/%2e%2e/x",
        "/a/../b",
        "s3://b/\nx",
        "/x\0y",
        "s3://" + "x" * 5000,
        "C:\\models",
    ],
)
def test_what_is_no_address_is_refused(uri):
    """Relative paths, dots that climb, control characters and endless URIs are errors of the manifest."""
    with pytest.raises(InputError, match="InvalidStorageUri"):
        locate(uri, MAPPED)


@pytest.mark.parametrize(
    "uri", ["https://user:hunter2@host/x", "https://host/x?X-Amz-Signature=hunter2&a=1", "s3://k:hunter2@b/x"]
)
def test_credentials_in_a_uri_are_not_shown(uri):
    """User info and query strings stay out of every message."""
    assert "hunter2" not in shown(uri)


@given(st.text() | st.text("s3:/.%ax").map("s3://".__add__))
def test_any_text_is_located_or_refused(uri):
    """Nothing but an InputError comes of hostile text, and what is shown of it is printable."""
    with contextlib.suppress(InputError):
        assert locate(uri, MAPPED).scheme
    assert shown(uri).isprintable()
