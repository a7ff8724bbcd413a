"""The shared secrets of webhooks, from where the configuration says they are, at the moment of a delivery.

An application with secrets of its own is hinted at by those alone; the common ones are for all others.
"""

from collections.abc import Iterator, Mapping, Sequence

import structlog

from reconciler.source.secrets import SecretFrom
from reconciler.source.webhooks.delivery import Secret
from schemas.errors import InputError

log = structlog.get_logger(__name__)

MIN_SECRET = 16
"""Bytes below which a secret can be guessed; such a one is not used."""


class WebhookSecrets:
    """``common`` for the applications whose own sources are empty; ``own`` by application."""

    def __init__(self, common: Sequence[SecretFrom], own: Mapping[str, Sequence[SecretFrom]]) -> None:
        shared = frozenset(name for name, sources in own.items() if not sources)
        self._sources = [(each, shared) for each in common if shared]
        self._sources += [(each, frozenset({name})) for name, listed in own.items() for each in listed]
        self._told: set[str] = set()

    def read(self) -> tuple[Secret, ...]:
        """Every secret that can be read now; equal ones are one. Blocks."""
        found: dict[bytes, frozenset[str]] = {}
        for value, applications in self._readable():
            found[value] = found.get(value, frozenset()) | applications
        return tuple(Secret(value, applications) for value, applications in found.items())

    def _readable(self) -> Iterator[tuple[bytes, frozenset[str]]]:
        for source, applications in self._sources:
            try:
                value = source.read(least=MIN_SECRET).encode()
            except InputError as error:
                self._tell(str(error))
            else:
                yield value, applications

    def _tell(self, message: str) -> None:
        if message not in self._told:
            log.warning("webhook secret is not used", error=message)
        self._told.add(message)
