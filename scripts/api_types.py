"""TypeScript types, as openapi-typescript writes them, read as JSON Schema.

For an API whose description is published in this form alone. Read is what that program writes: objects,
unions, intersections, arrays, literals, ``Readonly``, ``Record`` and ``Omit``; nothing else of the language.
"""

import re
from copy import deepcopy
from typing import Any

Schema = dict[str, Any]

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_TOKEN = re.compile(r'"[^"]*"|[\w$]+|[{}()\[\];:?|&<>,]')
_WORDS: dict[str, Schema] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "unknown": {},
    "never": {"not": {}},
    "undefined": {"not": {}},
}


class Types:
    """The interfaces of one file, by name. A reference is ``#/schemas/NAME``."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = [*_TOKEN.findall(_COMMENT.sub("", text)), ""]
        self._at = 0
        self.interfaces: dict[str, Schema] = {}
        while self._at < len(self._tokens):
            if self._next() == "interface":
                name = self._next()
                self.interfaces[name] = self._union()

    def without(self, schema: Schema, name: str) -> Schema:
        """The schema without one property, wherever in it that is told."""
        if "$ref" in schema:
            schema = self.interfaces["components"]["properties"]["schemas"]["properties"][_last(schema)]
        left = deepcopy(schema)
        left.get("properties", {}).pop(name, None)
        left["required"] = [each for each in left.get("required", ()) if each != name]
        if "allOf" in left:
            left["allOf"] = [self.without(each, name) for each in left["allOf"]]
        return left

    def _union(self) -> Schema:
        self._skip("|")
        found = [self._intersection()]
        while self._skip("|"):
            found.append(self._intersection())
        return found[0] if len(found) == 1 else {"anyOf": found}

    def _intersection(self) -> Schema:
        found = [self._array()]
        while self._skip("&"):
            found.append(self._array())
        return found[0] if len(found) == 1 else {"allOf": found}

    def _array(self) -> Schema:
        self._skip("readonly")
        found = self._one()
        while self._skip("["):
            self._expect("]")
            found = {"type": "array", "items": found}
        return found

    def _one(self) -> Schema:
        word = self._next()
        if word == "{":
            return self._object()
        if word == "(":
            found = self._union()
            self._expect(")")
            return found
        if word[0] == '"':
            return {"enum": [word[1:-1]]}
        if self._peek() == "[" and word not in _WORDS:
            return self._reference()
        return self._generic(word) if self._skip("<") else deepcopy(_WORDS[word])

    def _object(self) -> Schema:
        properties: dict[str, Schema] = {}
        required: list[str] = []
        while not self._skip("}"):
            self._skip("readonly")
            name = self._next().strip('"')
            if name == "[":  # of any name
                while self._next() != "]":
                    pass
            optional = self._skip("?")
            self._expect(":")
            properties[name] = self._union()
            if not optional and name != "[":
                required.append(name)
            self._expect(";")
        properties.pop("[", None)
        return {"type": "object", "properties": properties, "required": required}

    def _reference(self) -> Schema:
        path = []
        while self._peek() == "[" and self._tokens[self._at + 1] != "]":
            self._expect("[")
            path.append(self._next().strip('"'))
            self._expect("]")
        return {"$ref": "#/" + "/".join(path)}

    def _generic(self, name: str) -> Schema:
        found = [self._union()]
        while self._skip(","):
            found.append(self._union())
        self._expect(">")
        if name == "Omit":
            return {"omit": found[0], "names": found[1]["enum"]}
        return found[0] if name == "Readonly" else {"type": "object"}

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _skip(self, token: str) -> bool:
        found = self._peek() == token
        self._at += found
        return found

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise ValueError(f"{found} where {token} has to be")


def _last(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
