"""The published JSON Schemas (draft-07), as they lie in this package for editors and clusters."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from schemas.resource import KINDS


@cache
def schemas() -> Mapping[str, Mapping[str, Any]]:
    """Kind → its schema. Read once; not to be changed."""
    folder = resources.files("schemas") / "v1alpha1"
    return {
        kind: json.loads((folder / f"{kind.lower()}.schema.json").read_text(encoding="utf-8"))
        for kind in KINDS
    }
