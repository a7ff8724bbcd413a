"""A provider's published description of its API, and a transport that holds every request and answer to it.

What is described: ``described/*.json``, made by :mod:`scripts.api_excerpts` or by hand (each says which), and
what Gitea serves of itself.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
from jsonschema import Draft202012Validator

Schema = dict[str, Any]

FOLDER = Path(__file__).parent / "described"
UNDESCRIBED = frozenset({400, 401, 403, 404, 409, 410, 422, 429, 500, 502, 503})
"""Refusals and failures that a provider may answer whatever its description says of an operation."""


class NotDescribedError(Exception):
    """A request or an answer is not as the provider describes it."""


class Described:
    """``excerpt`` is as :mod:`scripts.api_excerpts` makes it; ``root`` is the API's path on its host."""

    def __init__(self, excerpt: Schema, root: str = "") -> None:
        self.excerpt = excerpt
        self._root = root
        self._patterns = {
            name: re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(name.split()[1])))
            for name in excerpt["operations"]
        }

    @classmethod
    def read(cls, name: str, root: str = "") -> "Described":
        """One that is committed."""
        return cls(json.loads((FOLDER / f"{name}.json").read_text()), root)

    def operation(self, method: str, path: str) -> str:
        """The operation of a request; the one with the fewest places to fill in of several."""
        below = path.removeprefix(self._root)
        fitting = [
            name
            for name, pattern in self._patterns.items()
            if name.split()[0] == method and pattern.fullmatch(below)
        ]
        if not fitting:
            raise NotDescribedError(f"{method} {path}")
        return min(fitting, key=lambda name: name.count("{"))

    def check_request(self, method: str, path: str, query: str, body: bytes) -> str:
        """Its operation. Raises NotDescribedError."""
        name = self.operation(method, path)
        told = self.excerpt["operations"][name]
        for key, value in parse_qsl(query):
            if key not in told["query"]:
                raise NotDescribedError(f"{name}: the query has {key}")
            self._hold(f"{name}: {key}", told["query"][key], int(value) if value.isdigit() else value)
        if body and told["body"] is None:
            raise NotDescribedError(f"{name} takes no body")
        if told["body"] is not None:
            self._hold(f"{name}: the body", told["body"], json.loads(body))
        return name

    def check_answer(self, name: str, status: int, body: bytes) -> None:
        """Raises NotDescribedError."""
        answers = self.excerpt["operations"][name]["answers"]
        if str(status) not in answers:
            if status not in UNDESCRIBED:
                raise NotDescribedError(f"{name} answers {status}")
            return
        schema = answers[str(status)]
        if schema is not None and 200 <= status < 300:
            self._hold(f"{name}: the answer", schema, json.loads(body))

    def filled(self, schema: Schema, told: Any) -> Any:
        """``told``, and the least that the description asks for besides. Raises NotDescribedError for a field that
        it does not have: then a double would tell what the provider does not."""
        if isinstance(told, list):
            return [self.filled(self._meant(schema)["items"], each) for each in told]
        if not isinstance(told, Mapping):
            return told
        meant = self._meant(schema)
        properties = meant.get("properties", {})
        unknown = told.keys() - properties.keys()
        if unknown:
            raise NotDescribedError(f"there are no fields {sorted(unknown)}")
        made = {name: self.filled(properties[name], value) for name, value in told.items()}
        lacking = [name for name in meant.get("required", ()) if name not in made]
        return made | {name: self._least(properties[name]) for name in lacking}

    def _least(self, schema: Schema) -> Any:
        """The smallest value that the schema takes."""
        if {"type": "null"} in schema.get("anyOf", ()):
            return None
        meant = self._meant(schema)
        if "enum" in meant:
            return meant["enum"][0]
        least: dict[str, Any] = {"string": "", "integer": 1, "number": 1, "boolean": False, "array": []}
        kind = meant.get("type", "object")
        return least[kind] if kind in least else self.filled(meant, {})

    def _meant(self, schema: Schema) -> Schema:
        """The schema without references, alternatives and parts."""
        if "$ref" in schema:
            return self._meant(self.excerpt["schemas"][schema["$ref"].rpartition("/")[2]])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._meant(next(each for each in schema[word] if each != {"type": "null"}))
        parts = [self._meant(each) for each in schema.get("allOf", ())]
        properties = {name: each for part in [*parts, schema] for name, each in _properties(part)}
        required = [name for part in [*parts, schema] for name in part.get("required", ())]
        return {**schema, "properties": properties, "required": required} if properties else schema

    def _hold(self, where: str, schema: Schema, value: Any) -> None:
        whole = {"allOf": [schema], "schemas": self.excerpt["schemas"]}
        errors = sorted(Draft202012Validator(whole).iter_errors(value), key=lambda each: each.json_path)
        if errors:
            raise NotDescribedError(f"{where}: {errors[0].json_path} {errors[0].message[:500]}")


class Checked(httpx.AsyncBaseTransport):
    """``inner``, held to what is described. ``seen`` are the operations that were asked for."""

    def __init__(self, inner: httpx.AsyncBaseTransport, described: Described) -> None:
        self._inner = inner
        self._described = described
        self.seen: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path, _, query = request.url.raw_path.decode().partition("?")
        name = self._described.check_request(request.method, path, query, await request.aread())
        self.seen.append(name)
        answer = await self._inner.handle_async_request(request)
        content = await answer.aread()
        self._described.check_answer(name, answer.status_code, content)
        headers = [(key, value) for key, value in answer.headers.items() if key not in _OF_THE_WIRE]
        return httpx.Response(answer.status_code, headers=headers, content=content)

    async def aclose(self) -> None:
        await self._inner.aclose()


_OF_THE_WIRE = {"content-encoding", "content-length", "transfer-encoding"}


def _properties(schema: Schema) -> Any:
    return schema.get("properties", {}).items()
