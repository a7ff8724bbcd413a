"""What annotations tell the order of a sync is read within bounds, and points at a line where it is wrong."""

import pytest

from schemas.errors import InputError
from schemas.order_annotations import MOST_DEPENDENCIES, dependencies_of, wave_of
from schemas.resource import key


@pytest.mark.parametrize(("text", "wave"), [("-5", -5), ("+1000", 1000), (" 7 ", 7), ("-1000", -1000)])
def test_a_wave_is_a_whole_number(text, wave):
    """As Argo CD's annotation is written."""
    assert wave_of({"moorage.dev/sync-wave": text}) == wave


@pytest.mark.parametrize("text", ["", "1.5", "1001", "-1001", "first", "1_0", "²", "1" * 5000])
def test_another_wave_is_refused(text):
    """Nothing is guessed."""
    with pytest.raises(InputError, match="InvalidSyncWave"):
        wave_of({"moorage.dev/sync-wave": text})


def test_dependencies_are_looked_for_in_the_own_namespace():
    """One that names another namespace is looked for there; what is named twice counts once."""
    said = {"moorage.dev/depends-on": "Server/ops/s, Model/a,Model/a"}
    assert dependencies_of(said, "team") == (key("Model", "team", "a"), key("Server", "ops", "s"))


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "Model",
        "Model/",
        "Model/a/b/c",
        "Deployment/a",
        "Model/A",
        "Model/a,",
        "Model/N S/a",
        "Model/../a",
    ],
)
def test_what_names_no_resource_is_refused(text):
    """Kind, namespace and name are what a manifest could have."""
    with pytest.raises(InputError, match="InvalidDependsOn"):
        dependencies_of({"moorage.dev/depends-on": text})


def test_dependencies_are_bounded():
    """More than are read are refused, however they are written."""
    with pytest.raises(InputError, match="InvalidDependsOn"):
        dependencies_of({"moorage.dev/depends-on": ",".join(["Model/a"] * (MOST_DEPENDENCIES + 1))})


def test_nothing_said_is_wave_0_and_no_dependency():
    """The default of every resource."""
    assert (wave_of({}), dependencies_of({})) == (0, ())
