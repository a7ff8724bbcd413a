"""What people are shown of values that may be secret: that they are there, and that they changed.

Pure. A parameter or environment variable is taken for secret by its name, or because the annotation
``moorage.dev/secret-parameters: "name, other"`` of its resource lists it. Servers are told the values; plans,
differences, API and history are not. Unlike :mod:`reconciler.inventory.masking` there are no digests here: what is
shown to everybody must not even be comparable with a guess. Texts that name no value (a storageUri with a
password in it) stop here: they are refused or redacted where they are read.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from reconciler.planning.plan import Change, Plan
from schemas.resource import Resource
from schemas.specs import ModelSpec, Parameter

SECRET_PARAMETERS_ANNOTATION = "moorage.dev/secret-parameters"  # noqa: S105 (the name of an annotation)
SECRET = "(secret)"  # noqa: S105 (stands for one)
CHANGED = "(secret, changed)"

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|credential|token$|(api|access|account|private|signing|encryption)[-_.]?key",
    re.IGNORECASE,
)
"""Says token at the end only: ``max_tokens`` and ``tokenizer`` are no secrets. Linear: nothing is repeated."""
_WHOLE_MANIFEST = "kubectl.kubernetes.io/last-applied-configuration"

Names = frozenset[str]


def secret_names(*resources: Resource) -> Names:
    """Names that the annotations of ``resources`` list."""
    said = (resource.annotations.get(SECRET_PARAMETERS_ANNOTATION, "") for resource in resources)
    return frozenset(name.strip() for text in said for name in text.split(",") if name.strip())


def shown_plan(plan: Plan) -> Plan:
    """``plan`` as people are shown it; its digests are those of the real one. Whether a version's parameters
    are listed as secret is not known here, so none of their values is shown."""
    return replace(
        plan,
        changes=tuple(_shown_change(change) for change in plan.changes),
        specs={version: _nameless(spec) for version, spec in plan.specs.items()},
    )


def _shown_change(change: Change) -> Change:
    return change if change.after is None else replace(change, after=shown_resource(change.after))


def shown_resource(resource: Resource) -> Resource:
    """``resource`` without the values of its secrets."""
    names = secret_names(resource)
    said = {field.name: getattr(resource.spec, field.name) for field in fields(resource.spec)}
    changed = {name: _hidden(value, names, frozenset()) for name, value in said.items()}
    annotations = {n: SECRET if n == _WHOLE_MANIFEST else text for n, text in resource.annotations.items()}
    return replace(resource, spec=replace(resource.spec, **changed), annotations=annotations)


def hidden_pair(before: Any, after: Any, names: Names) -> tuple[Any, Any]:
    """Two encoded states of a resource without their secrets; those that differ still do."""
    found, finds = _values(before, names), _values(after, names)
    changed = frozenset(name for name in found.keys() & finds.keys() if found[name] != finds[name])
    return _hidden(before, names, frozenset()), _hidden(after, names, changed)


def _nameless(spec: ModelSpec) -> ModelSpec:
    return replace(spec, parameters=tuple(replace(each, value=SECRET) for each in spec.parameters))


def is_secret(name: object, names: Names) -> bool:
    """True where a value of that name is listed in ``names``, or is likely a secret."""
    return isinstance(name, str) and (name in names or _SECRET_NAME.search(name) is not None)


def _hidden(value: Any, names: Names, changed: Names) -> Any:
    match value:
        case Parameter(name) if is_secret(name, names):
            return replace(value, value=SECRET)
        case {"name": name, "value": _} if is_secret(name, names):
            return {**value, "value": CHANGED if name in changed else SECRET}
        case Mapping():
            return {n: _field(n, item, names, changed) for n, item in value.items()}
        case list() | tuple():
            return type(value)(_hidden(item, names, changed) for item in value)
    return value


def _field(name: str, item: Any, names: Names, changed: Names) -> Any:
    if name == _WHOLE_MANIFEST:
        return CHANGED if name in changed else SECRET
    return _hidden(item, names, changed)


def _values(value: Any, names: Names) -> dict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for name, item in _pairs(value):
        if name == _WHOLE_MANIFEST or is_secret(name, names):
            found[name].append(item)
    return found


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        if isinstance(value.get("name"), str) and "value" in value:
            yield value["name"], value["value"]
        if _WHOLE_MANIFEST in value:
            yield _WHOLE_MANIFEST, value[_WHOLE_MANIFEST]
        yield from _each(value.values())
    elif isinstance(value, list | tuple):
        yield from _each(value)


def _each(values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for value in values:
        yield from _pairs(value)
