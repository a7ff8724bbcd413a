"""The encoder against Google's own messages, and against what Envoy understood."""

import json

import pytest
from google.protobuf import duration_pb2, json_format, struct_pb2, wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st

from runtime.gateway.envelopes import BinaryEnvelope, JsonEnvelope, Written, binary_resource
from runtime.gateway.protobuf import delimited, encode, varint
from runtime.gateway.routing import route_configuration
from tests.gateway.running import route, upstream
from tests.gateway.test_rendering import EXPERIMENT, PLAIN, maps


def field(message, name, value):
    """The content of a field, its tag and length taken off."""
    encoded = encode(message, {name: value})
    return encoded[-encoded[1 if encoded[0] < 0x80 else 2] :] if len(encoded) > 2 else b""


@given(st.integers(0, 2**32 - 1))
def test_wrapped_number(number):
    """Numbers of every size are as Google's wrapper message has them."""
    parsed = wrappers_pb2.UInt64Value.FromString(field("VirtualHost", "request_body_buffer_limit", number))
    assert parsed.value == number


@given(st.integers(0, 10**6), st.integers(0, 999))
def test_duration(seconds, milliseconds):
    """Durations are as Google's message has them."""
    encoded = field("RouteAction", "timeout", f"{seconds}.{milliseconds:03}s")
    parsed = duration_pb2.Duration.FromString(encoded)
    assert (parsed.seconds, parsed.nanos) == (seconds, milliseconds * 10**6)


@given(st.dictionaries(st.text(max_size=4), st.booleans() | st.text(max_size=8), max_size=3))
def test_struct(value):
    """Open objects are as Google's Struct has them."""
    encoded = encode("SubstitutionFormatString", {"json_format": value})
    content = encoded[1 + len(varint(encoded_length(encoded))) :]
    assert json_format.MessageToDict(struct_pb2.Struct.FromString(content)) == value


def encoded_length(encoded):
    length = shift = 0
    for byte in encoded[1:]:
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return length


def test_unknown_field():
    """A field that is not in the table is an error, not left out."""
    with pytest.raises(KeyError, match="regex_rewrite"):
        encode("RouteAction", {"regex_rewrite": {}})


@pytest.mark.real
def test_envoy_understood_what_was_meant(envoy, server):
    """Envoy's own dump of the routes it has is what was rendered, field by field."""
    none = route("none.experiment", upstream("iris_1", server("iris_1"), weight=0))
    envoy.show(PLAIN, EXPERIMENT, none)
    dumped = json.loads(envoy.ask("/config_dump?resource=dynamic_route_configs"))["configs"][0][
        "route_config"
    ]
    meant = route_configuration("default", maps(PLAIN, EXPERIMENT, none))
    assert normal(dumped) == normal(meant)


def normal(value):
    """Without what proto3 JSON leaves out or spells differently: defaults, type URLs, long numbers."""
    if isinstance(value, dict):
        kept = {name: normal(item) for name, item in value.items() if name != "@type"}
        return {name: item for name, item in kept.items() if item not in (None, 0, False, "HUNDRED", [])}
    if isinstance(value, list):
        return [normal(each) for each in value]
    if isinstance(value, str) and value.endswith("0s"):
        return f"{float(value[:-1])}s"
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize(
    ("envelope", "resources"),
    [(JsonEnvelope(), b'[{"name":"a"}]'), (BinaryEnvelope(), binary_resource("t", b"x" * 300) * 2)],
)
@given(version=st.integers(0, 10**18 - 1))
def test_envelope_keeps_what_it_was_given(envelope, resources, version):
    """What was wrapped is unwrapped, for every version."""
    written = Written(version, resources)
    assert envelope.unwrap(envelope.wrap(written)) == written


@pytest.mark.parametrize(
    ("envelope", "resources"),
    [(JsonEnvelope(), b'[{"name":"a"}]'), (BinaryEnvelope(), binary_resource("t", b"x" * 300))],
)
def test_torn_file_is_no_table(envelope, resources):
    """A file that ends too early, wherever, does not pass for a table with other resources."""
    whole = envelope.wrap(Written(12, resources))
    unwrapped = [envelope.unwrap(whole[:end]) for end in range(len(whole))]
    assert {found for found in unwrapped if found is not None and found.resources} == set()


@given(st.binary(max_size=60))
def test_foreign_bytes_are_no_error(content):
    """Whatever stands in a file, reading it says table or no table."""
    for envelope in (JsonEnvelope(), BinaryEnvelope()):
        found = envelope.unwrap(content)
        assert found is None or envelope.wrap(found) == content


@given(st.integers(1, 15), st.binary(max_size=300))
def test_delimited(number, data):
    """A field is its tag, its length and its bytes."""
    encoded = delimited(number, data)
    assert (encoded[0], encoded[len(encoded) - len(data) :]) == (number << 3 | 2, data)
