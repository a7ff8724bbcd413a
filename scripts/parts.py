"""Real parts that tests start: the recipes in ``testbed/``, and the one rule for finding what they make.

A part is named by a variable, on ``PATH`` or in the cache, in this order. The cache is per user and
outside the checkout, one folder per recipe; building is :mod:`scripts.testbed`'s work.
"""

import hashlib
import os
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

RECIPES = Path(__file__).parents[1] / "testbed"


class PartError(Exception):
    """A part cannot be had; the message is the one line that says why and what to do."""


@dataclass(frozen=True)
class Part:
    """One recipe. ``program`` is a path in the folder that it builds; ``tools`` are what building needs."""

    name: str
    version: str
    program: str
    tools: tuple[str, ...]
    digest: str
    recipe: Path

    @classmethod
    def read(cls, recipe: Path) -> Self:
        """The part whose recipe is that folder."""
        told = tomllib.loads((recipe / "part.toml").read_text())
        tools = tuple(sorted(told["tools"]))
        return cls(recipe.name, told["version"], told["program"], tools, _digest(recipe), recipe)

    @property
    def variable(self) -> str:
        """The environment variable that names the program."""
        return f"MOORAGE_TEST_{self.name.upper().replace('-', '_')}"

    def kept(self, environment: Mapping[str, str] = os.environ) -> Path:
        """The folder in the cache that the recipe makes."""
        return cache_folder(environment) / f"{self.name}-{self.version}-{self.digest}"

    def find(self, environment: Mapping[str, str] = os.environ) -> Path | None:
        """The program, or None where there is none. Raises PartError where the variable names no program."""
        named = environment.get(self.variable)
        if named:
            if not os.access(named, os.X_OK) or Path(named).is_dir():
                raise PartError(f"{self.variable}={named} is no program: name one, or unset it")
            return Path(named).absolute()
        found = shutil.which(Path(self.program).name, path=environment.get("PATH", os.defpath))
        built = self.kept(environment) / self.program
        return Path(found) if found else built if built.is_file() else None


def parts(recipes: Path = RECIPES) -> dict[str, Part]:
    """Every part there is a recipe for, by name, sorted."""
    return {path.parent.name: Part.read(path.parent) for path in sorted(recipes.glob("*/part.toml"))}


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's folder of built parts."""
    root = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
    return Path(root) / "moorage" / "testbed"


def _digest(recipe: Path) -> str:
    """Over names and contents of the recipe's files, so that a changed recipe is another part."""
    whole = hashlib.sha256()
    for path in sorted(path for path in recipe.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{content} {path.relative_to(recipe).as_posix()}\n".encode())
    return whole.hexdigest()[:16]
