"""The one rule: a variable, PATH, the cache, in this order."""

from pathlib import Path

import pytest

from scripts.parts import PartError, parts
from tests.project.conftest import ROOT
from tests.testbed.conftest import Recipe


def install(program: Path) -> Path:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_nothing_is_found_where_nothing_is(recipe: Recipe, tmp_path: Path) -> None:
    """A part that is nowhere is none."""
    assert recipe().find({"PATH": str(tmp_path), "HOME": str(tmp_path)}) is None


def test_the_cache_is_looked_in(recipe: Recipe, tmp_path: Path) -> None:
    """What make testbed built is found."""
    part = recipe()
    environment = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "elsewhere")}
    built = install(part.kept(environment) / "bin/moorage-thing")
    assert part.find(environment) == built


def test_the_cache_is_below_home_by_default(recipe: Recipe, tmp_path: Path) -> None:
    """Without XDG_CACHE_HOME it is ~/.cache, named by part, version and digest of the recipe."""
    part = recipe()
    folder = tmp_path / ".cache/moorage/testbed" / f"thing-1.0-{part.digest}"
    assert part.kept({"HOME": str(tmp_path)}) == folder


def test_path_is_before_the_cache(recipe: Recipe, tmp_path: Path) -> None:
    """A program that is installed is taken rather than a built one."""
    part = recipe()
    environment = {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    install(part.kept(environment) / "bin/moorage-thing")
    installed = install(tmp_path / "bin/moorage-thing")
    assert part.find(environment) == installed


def test_the_variable_is_before_path(recipe: Recipe, tmp_path: Path) -> None:
    """Who names a program gets that one, whatever it is called."""
    install(tmp_path / "bin/moorage-thing")
    own = install(tmp_path / "own")
    environment = {"PATH": str(tmp_path / "bin"), "MOORAGE_TEST_THING": str(own)}
    assert recipe().find(environment) == own


@pytest.mark.parametrize("name", ["nothing-here", "."])
def test_a_variable_that_names_no_program_is_refused(recipe: Recipe, tmp_path: Path, name: str) -> None:
    """A wish that cannot be met is no reason to skip a test quietly."""
    environment = {"PATH": str(tmp_path), "MOORAGE_TEST_THING": str(tmp_path / name)}
    with pytest.raises(PartError, match=r"MOORAGE_TEST_THING=.* is no program"):
        recipe().find(environment)


def test_a_changed_recipe_is_another_part(recipe: Recipe) -> None:
    """Nothing that an older recipe built is taken for what the new one would build."""
    assert recipe("true").digest != recipe("false").digest


def test_the_same_recipe_is_the_same_part(recipe: Recipe) -> None:
    """What was built once stays found."""
    assert recipe("true").digest == recipe("true").digest


def test_recipe_and_module_name_one_version_of_gitea() -> None:
    """The folder in the cache is called by what is in it."""
    part = parts()["gitea"]
    required = (ROOT / "testbed/gitea/go.mod").read_text()
    assert f"code.gitea.io/gitea v{part.version}\n" in required


def test_gitea_is_checksummed() -> None:
    """What is downloaded is what was tried."""
    sums = (ROOT / "testbed/gitea/go.sum").read_text()
    assert f"code.gitea.io/gitea v{parts()['gitea'].version} h1:" in sums
