"""Excerpts of providers' published API descriptions, for the tests of the adapters: ``python -m scripts.api_excerpts``.

Run by hand, where an adapter asks for more or a provider's description is to be a newer one; needs npm and a
package registry. Writes ``tests/preview/providers/described/github.json`` and ``bitbucket.json``: of every
request that an adapter makes, the query, the body and the answers, as JSON Schema. Prose and examples are left
out. GitLab's file there is written by hand and says so; Gitea describes itself where it runs, and the tests
read that by :func:`of_swagger`.
"""

import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scripts.api_types import Types

FOLDER = Path(__file__).parents[1] / "tests/preview/providers/described"

GITHUB = "@octokit/openapi", "23.0.2", "generated/api.github.com.json"
GITHUB_OPERATIONS = (
    "GET /repos/{owner}/{repo}",
    "GET /repos/{owner}/{repo}/pulls",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/labels",
    "DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}",
    "POST /repos/{owner}/{repo}/statuses/{sha}",
    "GET /user",
)
BITBUCKET = "@coderabbitai/bitbucket", "1.1.4", "dist/cloud/openapi/openapi-typescript.d.ts"
BITBUCKET_OPERATIONS = (
    "GET /repositories/{workspace}/{repo_slug}",
    "GET /repositories/{workspace}/{repo_slug}/pullrequests",
    "GET /repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}",
    "GET /repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/commits",
    "GET /repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/comments",
    "POST /repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/comments",
    "PUT /repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/comments/{comment_id}",
    "GET /repositories/{workspace}/{repo_slug}/commit/{commit}",
    "POST /repositories/{workspace}/{repo_slug}/commit/{commit}/statuses/build",
    "GET /user",
)
GENERAL_QUERY = {name: {"type": "string"} for name in ("fields", "q", "sort")} | {
    name: {"type": "integer"} for name in ("page", "pagelen")
}
"""What Bitbucket takes for every list: developer.atlassian.com/cloud/bitbucket/rest/intro."""

Schema = dict[str, Any]

_KEPT = {
    "type", "properties", "required", "items", "enum", "anyOf", "oneOf", "allOf", "not", "minItems", "maxItems",
    "additionalProperties", "pattern", "maxLength", "minLength", "minimum", "maximum",
}  # fmt: skip
_REFERENCES = re.compile(r'"\$ref": "#/schemas/([^"]+)"')


def of_openapi(described: Schema, operations: Iterable[str]) -> Schema:
    """From OpenAPI 3.0."""
    read = {}
    for operation in operations:
        method, path = operation.split()
        told = described["paths"][path][method.lower()]
        parameters = [_resolved(described, each) for each in told.get("parameters", ())]
        read[operation] = {
            "query": {each["name"]: _plain(each["schema"]) for each in parameters if each["in"] == "query"},
            "body": _content(told.get("requestBody", {})),
            "answers": {
                status: _content(_resolved(described, each)) for status, each in told["responses"].items()
            },
        }
    return _with_schemas(read, described["components"]["schemas"])


def of_swagger(described: Schema) -> Schema:
    """From Swagger 2.0: all of it. Go writes null for what is not there, whatever the description says."""
    read = {}
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            parameters = told.get("parameters", ())
            body = [_plain(each["schema"]) for each in parameters if each["in"] == "body"]
            answers = {status: _resolved(described, each) for status, each in told["responses"].items()}
            read[f"{method.upper()} {path}"] = {
                "query": {each["name"]: _plain(each) for each in parameters if each["in"] == "query"},
                "body": body[0] if body else None,
                "answers": {
                    status: _or_null(_plain(each["schema"])) if "schema" in each else None
                    for status, each in answers.items()
                },
            }
    schemas = {name: _or_null(_plain(each)) for name, each in described["definitions"].items()}
    return {"operations": read, "schemas": schemas}


def of_types(types: Types, operations: Iterable[str]) -> Schema:
    """From the types that openapi-typescript made of an OpenAPI description."""
    interfaces = types.interfaces
    read = {}
    for operation in operations:
        method, path = operation.split()
        told = interfaces["paths"]["properties"][path]["properties"][method.lower()]["properties"]
        query = told["parameters"]["properties"]["query"].get("properties", {})
        read[operation] = {
            "query": {name: _typed(types, each) for name, each in query.items()} | GENERAL_QUERY,
            "body": _media(types, told["requestBody"]),
            "answers": {
                status: _media(types, each) for status, each in told["responses"]["properties"].items()
            },
        }
    known = interfaces["components"]["properties"]["schemas"]["properties"]
    return _with_schemas(read, {name: _typed(types, each) for name, each in known.items()})


def _resolved(described: Schema, value: Schema) -> Schema:
    """What a reference at the top stands for."""
    if "$ref" not in value:
        return value
    for step in value["$ref"].removeprefix("#/").split("/"):
        described = described[step]
    return described


def _content(value: Schema) -> Schema | None:
    media = value.get("content", {}).get("application/json")
    return _plain(media["schema"]) if media else None


def _plain(schema: Schema) -> Schema:
    """The schema as JSON Schema has it, without what checks nothing."""
    if "$ref" in schema:
        return {"$ref": "#/schemas/" + schema["$ref"].rpartition("/")[2]}
    kept = {name: _part(name, value) for name, value in schema.items() if name in _KEPT}
    return {"anyOf": [kept, {"type": "null"}]} if schema.get("nullable") else kept


def _part(name: str, value: Any) -> Any:
    if name == "properties":
        return {each: _plain(schema) for each, schema in value.items()}
    if name in ("anyOf", "oneOf", "allOf"):
        return [_plain(each) for each in value]
    return _plain(value) if isinstance(value, dict) else value


def _or_null(schema: Schema) -> Schema:
    """The schema, where every property may be null as well."""
    parts = {name: {"anyOf": [_or_null(each), {"type": "null"}]} for name, each in _properties(schema)}
    return schema | ({"properties": parts} if parts else {})


def _properties(schema: Schema) -> Iterator[tuple[str, Schema]]:
    yield from schema.get("properties", {}).items()


def _media(types: Types, value: Schema) -> Schema | None:
    content = value.get("properties", {}).get("content", {})
    media = content.get("properties", {}).get("application/json")
    return _typed(types, media) if media else None


def _typed(types: Types, schema: Schema) -> Schema:
    """A schema of :mod:`scripts.api_types` as the API means it.

    The types name for ``type`` the one word of the general schema where answers have that of a special one
    (``user`` for ``account``), which requests need not tell, and know of no null.
    """
    if "omit" in schema:
        left = schema["omit"]
        for name in schema["names"]:
            left = types.without(left, name)
        return _typed(types, left)
    if "$ref" in schema:
        return _plain(schema)
    made = {name: value for name, value in schema.items() if name in _KEPT and value != []}
    for name in ("anyOf", "allOf"):
        if name in made:
            made[name] = [_typed(types, each) for each in made[name]]
    if "items" in made:
        made["items"] = _typed(types, made["items"])
    if "required" in made:
        made["required"] = [name for name in made["required"] if name != "type"]
    if "properties" in made:
        made["properties"] = {
            name: {"type": "string"} if name == "type" else {"anyOf": [_typed(types, each), {"type": "null"}]}
            for name, each in made["properties"].items()
        }
    return made


def _with_schemas(operations: Schema, known: Schema) -> Schema:
    """The operations, and the schemas that they refer to."""
    schemas: Schema = {}
    left = set(_REFERENCES.findall(json.dumps(operations)))
    while left:
        name = left.pop()
        schemas[name] = _plain(known[name])
        left |= set(_REFERENCES.findall(json.dumps(schemas[name]))) - schemas.keys()
    return {"operations": operations, "schemas": dict(sorted(schemas.items()))}


def _packed(package: str, version: str, file: str) -> tuple[str, Schema]:
    """A file of a package of npm, and where it is from."""
    with tempfile.TemporaryDirectory() as folder:
        pack = ["npm", "pack", "--silent", f"{package}@{version}"]
        name = subprocess.run(pack, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
        with tarfile.open(Path(folder) / name) as archive:
            texts = [
                member.read().decode()
                for path in (file, "package.json")
                if (member := archive.extractfile(f"package/{path}"))
            ]
    source = {
        "package": package,
        "version": version,
        "file": file,
        "licence": json.loads(texts[1])["license"],
    }
    return texts[0], source


def _write(name: str, source: Schema, excerpt: Schema) -> None:
    """One line for each operation and each schema."""
    parts = [f'"source": {json.dumps(source)}']
    for part, each in excerpt.items():
        lines = ",\n".join(
            f"  {json.dumps(key)}: {json.dumps(told, sort_keys=True)}" for key, told in each.items()
        )
        parts.append(f'"{part}": {{\n{lines}\n }}')
    (FOLDER / name).write_text("{\n " + ",\n ".join(parts) + "\n}\n")


def main() -> None:
    """Fetch the packages and write the excerpts."""
    text, source = _packed(*GITHUB)
    _write("github.json", source, of_openapi(json.loads(text), GITHUB_OPERATIONS))
    text, source = _packed(*BITBUCKET)
    _write("bitbucket.json", source, of_types(Types(text), BITBUCKET_OPERATIONS))


if __name__ == "__main__":
    main()
