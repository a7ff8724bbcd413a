"""A preview as a JSON document: stable, versioned, described by ``docs/preview.schema.json``.

Its plans hold everything that a sync would execute, with both digests; secrets are not in it.
"""

from typing import Any, Final
from urllib.parse import urlencode

from reconciler.preview.preview import Preview
from schemas.codec import encode

SCHEMA_ID: Final = "https://moorage.dev/schemas/preview.schema.json"

PAGE: Final = "/previews"
"""Where the controller shows the page of a preview."""


def page_address(link: str, repository: str, number: int) -> str:
    """The page of one preview below the address of a controller; empty where people do not reach it."""
    return f"{link}{PAGE}?{urlencode({'repository': repository, 'number': number})}" if link else ""


def written(preview: Preview) -> dict[str, Any]:
    """The document."""
    return {"$schema": SCHEMA_ID, **encode(preview)}
