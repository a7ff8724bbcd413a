"""MLServer's ``model-settings.json`` as a served model needs it, made from the artifact's or from nothing.

Pure: what the artifact says, which files it has and the model's spec go in, the settings that MLServer
reads come out. Hostile settings are refused here. An ``implementation`` in the artifact is kept: it
runs the artifact owner's code in the inference server, as in Seldon Core 2.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from runtime.serving.text import one_line
from schemas.errors import InputError
from schemas.specs import ModelSpec

SETTINGS_FILE = "model-settings.json"
SETTINGS_LIMIT = 1024 * 1024  # bytes; real ones are a few kilobytes

VERSION = "1"
"""``parameters.version``, which MLServer answers as ``model_version``. The reference answers "1" for
``math_1`` and ``math_2`` alike: the number is part of the name."""


@dataclass(frozen=True)
class Implementation:
    """An inference runtime: its class, and the file it wants. Without suffixes it takes the folder."""

    path: str
    suffixes: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()


IMPLEMENTATIONS: Mapping[str, Implementation] = {
    "alibi-detect": Implementation("mlserver_alibi_detect.AlibiDetectRuntime"),
    "catboost": Implementation("mlserver_catboost.CatboostModel", (".cbm", ".bin"), ("model.cbm",)),
    "huggingface": Implementation("mlserver_huggingface.HuggingFaceRuntime"),
    "lightgbm": Implementation("mlserver_lightgbm.LightGBMModel", (".bst",), ("model.bst",)),
    "mlflow": Implementation("mlserver_mlflow.MLflowRuntime"),
    "sklearn": Implementation(
        "mlserver_sklearn.SKLearnModel",
        (".joblib", ".pickle", ".pkl"),
        ("model.joblib", "model.pickle", "model.pkl"),
    ),
    "spark-mlib": Implementation("mlserver_mllib.MLlibModel"),
    "xgboost": Implementation(
        "mlserver_xgboost.XGBoostModel", (".bst", ".json", ".ubj"), ("model.bst", "model.json")
    ),
}
"""Requirement → the runtime that serves it where the artifact names none."""

_ENVIRONMENT_KEYS = ("environment_path", "environment_tarball")


def model_settings(name: str, spec: ModelSpec, given: bytes | None, names: Sequence[str]) -> dict[str, Any]:
    """The settings of ``name`` (``iris_1``).

    ``given`` is the artifact's own settings file, ``names`` the relative paths of its files.
    InputError ``InvalidModelSettings``, ``NoImplementation``, ``ModelFileNotFound``,
    ``ArtifactEscapes``, ``ModelEnvironmentUnsupported``, ``ExplainerUnsupported`` or
    ``PromptModelUnsupported``.
    """
    _refuse_references(name, spec)
    settings = _parsed(name, given)
    parameters = _mapping(name, settings.get("parameters"), "parameters")
    _refuse_environment(name, parameters)
    implementation = settings.get("implementation") or _implied(name, spec).path
    uri = parameters.get("uri") or _uri(name, implementation, names, fail=given is None)
    extra = {
        **_mapping(name, parameters.get("extra"), "parameters.extra"),
        **{p.name: p.value for p in spec.parameters},
    }
    kept = {key: value for key, value in parameters.items() if key not in ("uri", "extra", "version")}
    wanted = {**kept, "version": VERSION, "extra": extra}
    if uri:
        wanted["uri"] = _contained(name, uri, names)
    return {**settings, "name": name, "implementation": implementation, "parameters": wanted}


def _refuse_references(name: str, spec: ModelSpec) -> None:
    if spec.explainer is not None:
        message = f"{name}: an explainer calls the model it explains, which a server here is not told how"
        raise InputError("ExplainerUnsupported", message, "run explainers on the Kubernetes runtime")
    if spec.llm is not None:
        message = f"{name}: a prompt model calls its LLM, which a server here is not told how"
        raise InputError("PromptModelUnsupported", message, "run prompt models on the Kubernetes runtime")


def _parsed(name: str, given: bytes | None) -> dict[str, Any]:
    if given is None:
        return {}
    try:
        settings = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise InputError(
            "InvalidModelSettings", f"{name}: {SETTINGS_FILE}: {one_line(str(error))}"
        ) from error
    settings = _mapping(name, settings, "the document")
    implementation = settings.get("implementation")
    if implementation is not None and not isinstance(implementation, str):
        raise InputError("InvalidModelSettings", f"{name}: {SETTINGS_FILE}: implementation is no string")
    return settings


def _mapping(name: str, value: Any, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError("InvalidModelSettings", f"{name}: {SETTINGS_FILE}: {what} is no object")
    return value


def _refuse_environment(name: str, parameters: Mapping[str, Any]) -> None:
    asked = next((key for key in _ENVIRONMENT_KEYS if parameters.get(key)), None)
    if asked:
        message = f"{name}: {SETTINGS_FILE}: {asked} needs MLServer's worker processes, which are off"
        hint = "add the packages to the package list of the ServerConfig"
        raise InputError("ModelEnvironmentUnsupported", message, hint)


def _implied(name: str, spec: ModelSpec) -> Implementation:
    found = next((IMPLEMENTATIONS[tag] for tag in spec.requirements if tag in IMPLEMENTATIONS), None)
    if found is None:
        asked = ", ".join(spec.requirements) or "none"
        message = f"{name}: the artifact names no implementation and its requirements ({asked}) imply none"
        hint = f"add {SETTINGS_FILE} with an implementation, or require one of {', '.join(IMPLEMENTATIONS)}"
        raise InputError("NoImplementation", message, hint)
    return found


def _uri(name: str, implementation: str, names: Sequence[str], *, fail: bool) -> str | None:
    """The model file, relative; None leaves the choice to MLServer, which takes the model's folder."""
    runtime = next((known for known in IMPLEMENTATIONS.values() if known.path == implementation), None)
    if runtime is None or not runtime.suffixes:
        return None
    usual = [candidate for candidate in runtime.usual if candidate in names]
    fitting = usual[:1] or [path for path in names if "/" not in path and path.endswith(runtime.suffixes)]
    fitting = [path for path in fitting if path != SETTINGS_FILE]
    if len(fitting) == 1:
        return f"./{fitting[0]}"
    if fail:
        found = ", ".join(sorted(fitting)[:5]) or "none"
        message = f"{name}: one file ending in {', '.join(runtime.suffixes)} is needed, found {found}"
        raise InputError("ModelFileNotFound", message, f"name it {runtime.usual[0]}, or add {SETTINGS_FILE}")
    return None


def _contained(name: str, uri: Any, names: Sequence[str]) -> str:
    """``uri`` as a path of the artifact, with ``./``; refuses what points elsewhere or nowhere."""
    path = PurePosixPath(uri if isinstance(uri, str) else "/")
    if path.is_absolute() or ".." in path.parts or "://" in str(uri) or str(uri).startswith("file:"):
        message = f"{name}: {SETTINGS_FILE}: uri {one_line(repr(uri), 100)} points out of the artifact"
        raise InputError("ArtifactEscapes", message, "use a path relative to the file")
    inside = str(path)
    if inside != "." and not any(known == inside or known.startswith(f"{inside}/") for known in names):
        message = f"{name}: {SETTINGS_FILE}: uri {one_line(inside, 100)!r} is not in the artifact"
        raise InputError("ModelFileNotFound", message, f"it has {one_line(', '.join(sorted(names)), 200)}")
    return f"./{inside}"
