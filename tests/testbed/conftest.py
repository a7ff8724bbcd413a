"""Recipes of our own, and a cache folder that nobody else has."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.parts import Part

Recipe = Callable[..., Part]


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Writes the recipe of a part called ``thing``; ``build`` are lines of its script."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MOORAGE_TEST_THING", raising=False)

    def write(*build: str, tools: str = "[]", version: str = "1.0") -> Part:
        folder = tmp_path / "recipes" / "thing"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "part.toml").write_text(
            f'version = "{version}"\nprogram = "bin/moorage-thing"\ntools = {tools}\n'
        )
        script = folder / "build"
        script.write_text("\n".join(["#!/bin/sh", "set -e", *build, ""]))
        script.chmod(0o755)
        return Part.read(folder)

    return write


MAKES_IT = 'mkdir "$1/bin" && printf "#!/bin/sh\\necho made\\n" >"$1/bin/moorage-thing" && chmod +x "$1/bin/moorage-thing"'
"""A build that makes what the recipe promises."""
