"""How a table and its version stand in one file: an xDS ``DiscoveryResponse``, as JSON or binary. Pure.

Both put the version first, so that what was written can be taken over without understanding it. A
torn or foreign file is told from a table.
"""

import json
import re
from dataclasses import dataclass
from typing import Final, Protocol

from runtime.gateway.protobuf import delimited

_JSON: Final = re.compile(rb'\A\{"version_info":"(\d{1,18})","resources":(\[.*\])\}\Z', re.DOTALL)
_BINARY_VERSION: Final = re.compile(rb"\A\n[\x01-\x12](\d{1,18})")
_VERSION, _RESOURCES = 1, 2  # field numbers
_RESOURCES_TAG: Final = _RESOURCES << 3 | 2


@dataclass(frozen=True)
class Written:
    """What a file holds: the version, and the resources as they stand in it."""

    version: int
    resources: bytes


class Envelope(Protocol):
    """One way to write a table into a file. ``suffix`` tells Envoy which one it is."""

    suffix: str

    def wrap(self, written: Written) -> bytes:
        """The content of the file."""

    def unwrap(self, content: bytes) -> Written | None:
        """What the file holds, or None where it is no whole table of ours."""


class JsonEnvelope:
    """Resources are a JSON array: easy to read, for tables that stay small."""

    suffix = ".json"

    def wrap(self, written: Written) -> bytes:
        """The content of the file."""
        return b'{"version_info":"%d","resources":%b}' % (written.version, written.resources)

    def unwrap(self, content: bytes) -> Written | None:
        """What the file holds, or None where it is no whole table of ours."""
        found = _JSON.match(content)
        if found is None or not _is_json(found[2]):
            return None
        return Written(int(found[1]), found[2])


class BinaryEnvelope:
    """Resources are encoded fields of the message, as :func:`binary_resource` makes them."""

    suffix = ".pb"

    def wrap(self, written: Written) -> bytes:
        """The content of the file."""
        return delimited(_VERSION, b"%d" % written.version) + written.resources

    def unwrap(self, content: bytes) -> Written | None:
        """What the file holds, or None where it is no whole table of ours."""
        found = _BINARY_VERSION.match(content)
        if found is None or not _is_whole(content, found.end()):
            return None
        return Written(int(found[1]), content[found.end() :])


def binary_resource(url: str, message: bytes) -> bytes:
    """One resource of the type that ``url`` names, for a :class:`BinaryEnvelope`."""
    return delimited(_RESOURCES, delimited(1, url.encode()) + delimited(2, message))


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _is_whole(content: bytes, position: int) -> bool:
    """True where nothing but whole resources follow from ``position`` to the end."""
    while position < len(content):
        if content[position] != _RESOURCES_TAG:
            return False
        length, position = _length_at(content, position + 1)
        position += length
    return position == len(content)


def _length_at(content: bytes, position: int) -> tuple[int, int]:
    length = shift = 0
    for byte in content[position : position + 5]:
        length |= (byte & 0x7F) << shift
        shift, position = shift + 7, position + 1
        if byte < 0x80:
            return length, position
    return len(content), position  # torn inside the length
