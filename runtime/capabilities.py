"""What an inference server's environment can run: from package names to capability tags.

Pure: the planner and the runtime both ask :func:`offered`, so that a plan counts on exactly the
capabilities a server will report. Whether a package can be installed is not known here.
Tags: Seldon Core 2's shipped ServerConfigs ``mlserver`` and ``triton``; the spelling ``spark-mlib``
is theirs.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from runtime.state import EnvironmentFacts

MLSERVER_DISTRIBUTIONS: Mapping[str, str] = MappingProxyType(
    {
        "alibi-detect": "mlserver-alibi-detect",
        "alibi-explain": "mlserver-alibi-explain",
        "catboost": "mlserver-catboost",
        "huggingface": "mlserver-huggingface",
        "lightgbm": "mlserver-lightgbm",
        "mlflow": "mlserver-mlflow",
        "mlserver": "mlserver",
        "python": "mlserver",
        "sklearn": "mlserver-sklearn",
        "spark-mlib": "mlserver-mllib",
        "xgboost": "mlserver-xgboost",
    }
)
"""Capability tag → the distribution that provides it."""

TRITON_TAGS = frozenset(
    {"dali", "fil", "onnx", "openvino", "python", "pytorch", "tensorflow", "tensorrt", "triton"}
)
RUNTIME_TAGS = frozenset(MLSERVER_DISTRIBUTIONS) | TRITON_TAGS
"""Every tag that names an inference runtime; any other tag is an operator's own label."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def distribution_name(requirement: str) -> str | None:
    """The normalised name (PEP 503) that a requirement (PEP 508) begins with; None where there is none."""
    match = _NAME.match(requirement.strip())
    return re.sub(r"[-_.]+", "-", match.group()).lower() if match else None


def mlserver_runtimes(packages: Iterable[str]) -> tuple[str, ...]:
    """The capability tags that an environment of these requirements provides, sorted.

    Inference runtimes depend on ``mlserver``, so any of them brings its tags too.
    """
    names = {distribution_name(package) for package in packages}
    if names & set(MLSERVER_DISTRIBUTIONS.values()):
        names.add("mlserver")
    return tuple(sorted(tag for tag, distribution in MLSERVER_DISTRIBUTIONS.items() if distribution in names))


def offered(declared: Sequence[str], facts: EnvironmentFacts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``(offered, missing)`` of the declared capabilities, each sorted and without repetitions.

    A tag that names no inference runtime is always offered; one that does needs its runtime in the
    environment. Where no server can run, nothing is offered.
    """
    tags = sorted(set(declared))
    if not facts.runnable:
        return (), tuple(tags)
    present = {tag for tag in tags if tag not in RUNTIME_TAGS or tag in facts.runtimes}
    return tuple(sorted(present)), tuple(tag for tag in tags if tag not in present)
