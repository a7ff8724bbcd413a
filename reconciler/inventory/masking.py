"""Texts that may be secrets, as digests: what an exported inventory says of them, and how it is undone.

Pod specs and other open objects are Kubernetes' own and hold whatever people put there, passwords in
environment variables first of all; annotations are notes of any program. Of all that a plan reads a
handful of settings; of the rest it only asks whether it is still the same, and for that a digest does. Whoever plans knows the texts that Git
declares, and so :func:`unmasked` puts back every one that is among them: a plan from a file then
compares what a plan from the live system compares. A text that is nowhere in Git stays a digest, which
differs from everything Git wants, as the text itself does. A digest hides no secret that can be guessed.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.secrecy import is_secret, secret_names
from schemas.codec import camel
from schemas.open_objects import OPEN_FIELDS
from schemas.resource import Resource
from schemas.specs import ModelSpec, ServerConfigSpec, Spec

PREFIX = "sha256:"
OURS = "moorage.dev/"
"""How the names of annotations begin that are read here."""

READ_SETTINGS = frozenset(
    {
        "MEMORY_REQUEST",
        "MLSERVER_PARALLEL_WORKERS",
        "SELDON_OVERCOMMIT_PERCENTAGE",
        "SELDON_SERVER_CAPABILITIES",
        "SELDON_SERVER_TYPE",
    }
)
"""Environment variables that planning reads the value of."""

_NAMES = frozenset({"name", "containerName"})
_QUANTITIES = frozenset({"requests", "limits"})

Exchange = Callable[[str], str]


def masked_text(text: str) -> str:
    """The digest that stands for ``text``."""
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()


def masked(resource: Resource) -> Resource:
    """``resource`` with digests for texts in open objects and annotations that planning does not read."""
    return _exchanged(resource, masked_text)


def masked_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables with digests for values, but for those that planning reads; by name."""
    return _environment(environment, masked_text)


class Known:
    """Texts that may be put back: everything that ``resources`` and ``specs`` say where it would be masked."""

    def __init__(self, resources: Iterable[Resource], specs: Iterable[ServerConfigSpec]) -> None:
        self._texts: dict[str, str] = {}
        for resource in resources:
            _exchanged(resource, self._learn)
        for spec in specs:
            _exchanged_spec(spec, self._learn)

    def unmasked(self, resource: Resource) -> Resource:
        """``resource`` with its texts, as far as they are known."""
        return _exchanged(resource, self._text)

    def unmasked_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Environment variables with their values, as far as they are known."""
        return _environment(environment, self._text)

    def _learn(self, text: str) -> str:
        self._texts[masked_text(text)] = text
        return text

    def _text(self, said: str) -> str:
        return self._texts.get(said, said)


def _environment(environment: Mapping[str, str], exchange: Exchange) -> dict[str, str]:
    return {
        name: value if name in READ_SETTINGS else exchange(value)
        for name, value in sorted(environment.items())
    }


def _exchanged(resource: Resource, exchange: Exchange) -> Resource:
    spec = _exchanged_spec(resource.spec, exchange)
    if isinstance(spec, ModelSpec):
        names = secret_names(resource)
        secret = (
            replace(p, value=exchange(p.value)) if is_secret(p.name, names) else p for p in spec.parameters
        )
        spec = replace(spec, parameters=tuple(secret))
    annotations = {
        name: text if name.startswith(OURS) else exchange(text) for name, text in resource.annotations.items()
    }
    return replace(resource, spec=spec, annotations=annotations)


def _exchanged_spec(spec: Spec, exchange: Exchange) -> Spec:
    changed = {
        name: _walk(value, exchange) for name, value in vars(spec).items() if camel(name) in OPEN_FIELDS
    }
    return replace(spec, **changed) if changed else spec


def _walk(value: Any, exchange: Exchange) -> Any:
    if isinstance(value, str):
        return exchange(value)
    if isinstance(value, Mapping):
        read = value.get("name") in READ_SETTINGS
        return {name: _field(name, item, exchange, read) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_walk(item, exchange) for item in value)
    return value


def _field(name: str, item: Any, exchange: Exchange, read: bool) -> Any:
    if name in _QUANTITIES or (isinstance(item, str) and (name in _NAMES or (name == "value" and read))):
        return item
    return _walk(item, exchange)
