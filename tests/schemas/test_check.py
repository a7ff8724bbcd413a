"""Accepting and explaining judge alike, and the published schemas are what they say."""

import json
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from schemas.check import accepts, explain, without_empty_fields
from schemas.codec import camel
from schemas.encode import manifest
from schemas.published import schemas
from schemas.resource import KINDS
from schemas.specs import SPEC_TYPES
from tests.schemas.strategies import near_manifests, resources


@st.composite
def _documents(draw):
    resource = draw(resources())
    return resource.key.kind, draw(near_manifests(json.loads(json.dumps(manifest(resource)))))


@given(_documents())
def test_the_fast_and_the_explaining_validator_judge_alike(document):
    """Whatever one of them accepts or refuses, the other one does as well."""
    kind, value = document

    assert accepts(kind, value) == Draft7Validator(schemas()[kind]).is_valid(value)


@given(_documents())
def test_what_is_not_accepted_has_something_said_about_it(document):
    """Apart from fields without a value, there is an error exactly where there is a refusal."""
    kind, value = document

    errors = [finding for finding in explain(kind, value).findings if finding.severity == "error"]

    assert bool(errors) == (not accepts(kind, without_empty_fields(value)))


@given(_documents())
def test_what_is_usable_of_a_wrong_document_can_be_decoded_or_is_out_of_range(document):
    """Looking at the meaning of a repaired document never meets a wrong type."""
    kind, value = document
    usable = explain(kind, value).usable
    errors = Draft7Validator(schemas()[kind]).iter_errors(usable) if usable is not None else ()

    assert {error.validator for error in errors} <= {
        "const",
        "enum",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_published_schema_is_valid_draft_7_with_a_stable_id(kind):
    """Editors' YAML servers understand draft-07; the address never changes."""
    schema = schemas()[kind]

    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["$id"] == f"https://moorage.dev/schemas/v1alpha1/{kind.lower()}.schema.json"


@pytest.mark.parametrize("kind", KINDS)
def test_a_published_schema_has_the_fields_of_the_typed_spec(kind):
    """Schema and type name the same fields, so nothing that is valid is lost."""
    fields = {camel(name) for name in SPEC_TYPES[kind].__dataclass_fields__}

    assert set(schemas()[kind]["properties"]["spec"]["properties"]) == fields


def _parts(schema):
    yield schema
    for part in chain(schema.get("properties", {}).values(), schema.get("definitions", {}).values()):
        yield from _parts(part)
    if isinstance(schema.get("items"), dict):
        yield from _parts(schema["items"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_published_schema_is_described(kind):
    """Editors show the description beside the field."""
    undescribed = [
        name
        for part in _parts(schemas()[kind])
        for name, field in part.get("properties", {}).items()
        if "$ref" not in field and "description" not in field
    ]

    assert set(undescribed) <= {"containers", "env", "name", "spec"}  # inside what Kubernetes owns
