"""Which declared capabilities an environment can keep."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.capabilities import RUNTIME_TAGS, distribution_name, mlserver_runtimes, offered
from runtime.state import EnvironmentFacts

REFERENCE_TAGS = [
    "mlserver",
    "alibi-detect",
    "alibi-explain",
    "huggingface",
    "lightgbm",
    "mlflow",
    "python",
    "sklearn",
    "spark-mlib",
    "xgboost",
]
tags = st.sampled_from([*REFERENCE_TAGS, "triton", "onnx", "gpu", "mlserver-1.3.4", "income-classifier-deps"])


def facts(*runtimes: str, runnable: bool = True) -> EnvironmentFacts:
    return EnvironmentFacts("mlserver", runnable, runtimes)


def test_the_shipped_capabilities_are_cut_to_what_is_installed():
    """Of the reference's mlserver capabilities a scikit-learn environment offers three."""
    have, missing = offered(REFERENCE_TAGS, facts("mlserver", "python", "sklearn"))
    assert have == ("mlserver", "python", "sklearn")
    assert len(missing) == 7


def test_a_tag_that_names_no_runtime_is_always_offered():
    """Operators' own labels need no package."""
    assert offered(["gpu", "mlserver-1.3.4"], facts()) == (("gpu", "mlserver-1.3.4"), ())


def test_where_no_server_runs_nothing_is_offered():
    """Custom tags too are missing on a ServerConfig without a binary."""
    assert offered(["triton", "gpu"], facts(runnable=False)) == ((), ("gpu", "triton"))


@given(st.lists(tags), st.sets(tags))
def test_offered_and_missing_divide_what_is_declared(declared, installed):
    """Every declared tag is in exactly one of the two, each sorted, and none is invented."""
    have, missing = offered(declared, facts(*sorted(installed)))
    assert sorted((*have, *missing)) == sorted(set(declared))
    assert (have, missing) == (tuple(sorted(have)), tuple(sorted(missing)))
    assert all(tag in installed or tag not in RUNTIME_TAGS for tag in have)


@given(st.lists(tags))
def test_the_order_of_declaration_does_not_matter(declared):
    """The same set of tags gives the same answer."""
    assert offered(declared, facts("sklearn")) == offered(declared[::-1], facts("sklearn"))


@pytest.mark.parametrize(
    ("packages", "runtimes"),
    [
        (["mlserver==1.7.1", "mlserver-sklearn==1.7.1"], ("mlserver", "python", "sklearn")),
        (["MLServer_XGBoost>=1.7"], ("mlserver", "python", "xgboost")),
        (["mlserver[all] ; python_version < '3.13'"], ("mlserver", "python")),
        (["mlserver-mllib"], ("mlserver", "python", "spark-mlib")),
        (["scikit-learn", "mlserver_extra"], ()),
        ([], ()),
    ],
)
def test_packages_give_runtimes(packages, runtimes):
    """Names are compared as package indexes do; a runtime brings MLServer with it."""
    assert mlserver_runtimes(packages) == runtimes


@pytest.mark.parametrize("line", ["--index-url https://x", "-r more.txt", "", "  ", "./wheel.whl", "/x"])
def test_what_is_no_requirement_has_no_name(line):
    """Installer options and paths are no requirements."""
    assert distribution_name(line) is None
