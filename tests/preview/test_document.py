"""The JSON document of a preview is what its published schema says, and can be read back."""

import json
import os

import jsonschema
import pytest
from hypothesis import given, settings

from reconciler.preview.document import written
from reconciler.preview.preview import Preview
from schemas.codec import decode
from tests.preview.described import PAGE, schema
from tests.preview.stories import preview
from tests.reconciler.strategies import revisions
from tests.reconciler.world import model, server


def test_the_schema_is_made_of_the_types():
    """MOORAGE_GOLDEN=1 writes it anew."""
    if os.environ.get("MOORAGE_GOLDEN"):
        PAGE.write_text(json.dumps(schema(), indent=2) + "\n")
    assert json.loads(PAGE.read_text()) == schema()


@settings(max_examples=25, deadline=None)
@given(revisions(), revisions())
def test_every_preview_is_what_the_schema_says(base, head):
    """Whatever is compared."""
    document = json.loads(json.dumps(written(preview(base, head))))
    jsonschema.validate(document, schema())


def test_the_schema_refuses_what_is_no_preview():
    """A test that cannot fail proves nothing."""
    document = written(preview([server()], [server(), model("a")]))
    document["verdict"] = "Fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(json.dumps(document)), schema())


@settings(max_examples=25, deadline=None)
@given(revisions(), revisions())
def test_a_document_is_read_back_as_the_same_preview(base, head):
    """So that a command shows what a controller made."""
    made = preview(base, head)
    said = json.loads(json.dumps(written(made)))
    assert decode(Preview, {name: value for name, value in said.items() if name != "$schema"}) == made
