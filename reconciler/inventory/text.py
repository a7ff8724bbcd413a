"""The bytes of an inventory file to JSON values that its schema has accepted, within bounds.

The file may come from anywhere: a build server, another team, a mail. Whatever is wrong is told with
its place, as line and column where it is no JSON, as a JSON pointer where it is not an inventory. It
stops at plain values; what they mean is :mod:`reconciler.inventory.file`'s business.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, NoReturn

import jsonschema_rs

from schemas.errors import InputError
from schemas.finding import shown

MAX_BYTES = 128 * 2**20
"""10,000 applied, loaded and routed models take 10 MiB."""

_SHOWN = 8
"""Problems named in one error; the rest is counted, as far as it is looked at."""
_LOOKED_AT = 100


def inventory_value(data: bytes, file: str) -> dict[str, Any]:
    """The object that ``data``, the content of ``file``, holds. Raises InputError ``InvalidInventory``."""
    if len(data) > MAX_BYTES:
        raise invalid(file, [f"more than {MAX_BYTES} bytes"])
    value = _json(data, file)
    errors = islice(_validator().iter_errors(value), _LOOKED_AT)
    problems = [sentence for error in errors for sentence in _sentences(error)]
    if problems:
        raise invalid(file, problems)
    found: dict[str, Any] = value
    return found


def invalid(file: str, problems: Iterable[str]) -> InputError:
    """The error that names them."""
    told = list(problems)
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    hint = "docs/inventory.schema.json says what an inventory holds"
    return InputError("InvalidInventory", f"{file}: {'; '.join(told[:_SHOWN])}{more}", hint)


def pointer(path: Sequence[str | int]) -> str:
    """``/servers/0/replicas/1``; the whole file is ``/``."""
    return "/" + "/".join(shown(str(step).replace("~", "~0").replace("/", "~1")) for step in path)


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of inventory files."""
    value: dict[str, Any] = json.loads((files("reconciler") / "inventory.schema.json").read_bytes())
    return value


@cache
def _validator() -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(schema())


def _json(data: bytes, file: str) -> Any:
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(
            text, object_pairs_hook=_object, parse_float=_no_fraction, parse_constant=_no_fraction
        )
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except json.JSONDecodeError as error:
        where = f"{file}:{error.lineno}:{error.colno}"
        raise invalid(where, [f"no JSON: {error.msg}"]) from error
    except UnicodeError as error:
        raise invalid(file, ["no UTF-8 text"]) from error
    except RecursionError as error:
        raise invalid(file, ["nested too deeply"]) from error
    except ValueError as error:
        raise invalid(file, [shown(str(error), 200)]) from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        repeated = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"field {shown(repeated)} stands twice in one object")
    return value


def _no_fraction(text: str) -> NoReturn:
    raise ValueError(f"{shown(text)} is no whole number; amounts are whole, and in manifests text is quoted")


def _sentences(error: jsonschema_rs.ValidationError) -> Iterator[str]:
    path, kind = list(error.instance_path), error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        for unknown in islice(kind.unexpected, _SHOWN):
            yield f"{pointer([*path, unknown])} is no field of an inventory"
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        yield f"{pointer([*path, kind.property])} is missing"
    else:
        yield f"{pointer(path)}: {shown(error.message, 200)}"
