"""``model-settings.json``: what is made of the artifact's own, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.serving.model_settings import IMPLEMENTATIONS, model_settings
from schemas.errors import InputError
from schemas.specs import Explainer, Llm, ModelSpec, Parameter

SKLEARN = ModelSpec("unused", requirements=("sklearn",))


def made(given: object, names=("model.joblib",), spec=SKLEARN):
    return model_settings("iris_1", spec, None if given is None else json.dumps(given).encode(), names)


def refused(given: object, names=("model.joblib",), spec=SKLEARN) -> str:
    with pytest.raises(InputError) as failure:
        made(given, names, spec)
    assert "iris_1" in failure.value.message
    return failure.value.reason


def test_an_artifact_without_settings_gets_them_from_its_requirement():
    """sklearn implies the class, and the model file is found."""
    assert made(None) == {
        "name": "iris_1",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"version": "1", "extra": {}, "uri": "./model.joblib"},
    }


def test_the_artifacts_settings_are_kept_but_for_name_and_version():
    """Name and version belong to Moorage, everything else to the artifact's owner."""
    given = {
        "name": "iris",
        "implementation": "mine.Model",
        "max_batch_size": 5,
        "parameters": {"version": "v0.1.0", "uri": "model.joblib", "content_type": "np"},
    }
    assert made(given) == {
        "name": "iris_1",
        "implementation": "mine.Model",
        "max_batch_size": 5,
        "parameters": {"version": "1", "uri": "./model.joblib", "content_type": "np", "extra": {}},
    }


def test_parameters_of_the_manifest_win():
    """``spec.parameters`` go over what the artifact's ``parameters.extra`` says."""
    spec = ModelSpec("unused", requirements=("sklearn",), parameters=(Parameter("a", "manifest"),))
    settings = made({"parameters": {"extra": {"a": "artifact", "b": 1}}}, spec=spec)
    assert settings["parameters"]["extra"] == {"a": "manifest", "b": 1}


def test_an_unusual_file_name_is_found_where_it_is_the_only_one():
    """One file with a fitting suffix at the top is the model."""
    assert made(None, ["iris-v2.pkl", "README.md"])["parameters"]["uri"] == "./iris-v2.pkl"


def test_a_usual_file_name_wins():
    """model.joblib is the model, whatever lies beside it."""
    assert made(None, ["a.pkl", "model.joblib"])["parameters"]["uri"] == "./model.joblib"


@pytest.mark.parametrize("names", [["a.pkl", "b.pkl"], ["README.md"], ["deep/model.joblib"]])
def test_a_model_file_that_cannot_be_told_is_asked_for(names):
    """None or several candidates: the error says what name would do."""
    assert refused(None, names) == "ModelFileNotFound"


def test_an_xgboost_model_is_not_its_settings_file():
    """``model-settings.json`` ends like an XGBoost model and is none."""
    spec = ModelSpec("unused", requirements=("xgboost",))
    assert refused(None, ["model-settings.json"], spec) == "ModelFileNotFound"


def test_a_runtime_that_takes_a_folder_gets_the_folder():
    """MLflow and Hugging Face models are folders; MLServer takes the model's own."""
    settings = made(None, ["MLmodel"], ModelSpec("unused", requirements=("mlflow",)))
    assert "uri" not in settings["parameters"]


@pytest.mark.parametrize("requirements", [(), ("mlserver", "python"), ("gpu",)])
def test_without_implementation_or_a_requirement_that_implies_one_it_is_refused(requirements):
    """Nothing is guessed from file names."""
    assert refused(None, spec=ModelSpec("unused", requirements=requirements)) == "NoImplementation"


@pytest.mark.parametrize(
    "uri",
    [
        "/etc/passwd",
        "../other/model.joblib",
        "a/../../b",
        "file:///etc/passwd",
        "s3://b/k",
        "file:x",
        7,
        ["x"],
    ],
)
def test_a_uri_out_of_the_artifact_is_refused(uri):
    """The server reads what the artifact holds and nothing else by ``uri``."""
    assert refused({"parameters": {"uri": uri}}) == "ArtifactEscapes"


def test_a_uri_that_is_not_there_is_named():
    """A missing file is reported before the server meets it."""
    assert refused({"parameters": {"uri": "./gone.joblib"}}) == "ModelFileNotFound"


@pytest.mark.parametrize("uri", [".", "./", "deep", "./deep/model.joblib"])
def test_a_uri_may_be_a_folder_of_the_artifact(uri):
    """The folder itself, one below it, or a file in one."""
    assert made({"parameters": {"uri": uri}}, ["deep/model.joblib"])["parameters"]["uri"].startswith("./")


@pytest.mark.parametrize("key", ["environment_path", "environment_tarball"])
def test_an_environment_of_its_own_is_refused(key):
    """It would be ignored without worker processes, and the model would fail later."""
    assert refused({"parameters": {key: "env.tar.gz"}}) == "ModelEnvironmentUnsupported"


@pytest.mark.parametrize(
    "given",
    [[], "text", 7, {"parameters": []}, {"parameters": {"extra": "x"}}, {"implementation": 7}],
)
def test_settings_of_another_shape_are_refused(given):
    """What is no object, or holds none where one belongs, is invalid."""
    assert refused(given) == "InvalidModelSettings"


@pytest.mark.parametrize("given", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_bytes_that_are_no_json_are_refused(given):
    """Broken and deeply nested files are errors of the artifact."""
    with pytest.raises(InputError, match="InvalidModelSettings"):
        model_settings("iris_1", SKLEARN, given, ["model.joblib"])


def test_explainers_and_prompt_models_are_refused_with_a_reason():
    """They call other models, which a server on one machine is not told how to reach."""
    explainer = ModelSpec("unused", explainer=Explainer("anchor_tabular", model_ref="iris"))
    assert refused(None, spec=explainer) == "ExplainerUnsupported"
    assert refused(None, spec=ModelSpec("unused", llm=Llm(model_ref="x"))) == "PromptModelUnsupported"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab./:", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=10,
)
keys = st.sampled_from(["name", "implementation", "parameters", "versions", "inputs"])
parameters = st.dictionaries(
    st.sampled_from(["uri", "version", "extra", "environment_tarball", "format"]), json_values
)


@given(st.dictionaries(keys, json_values | parameters), st.sampled_from(sorted(IMPLEMENTATIONS)))
def test_whatever_the_artifact_says_the_result_is_ours_or_refused(given, tag):
    """Any JSON gives settings with our name and version and a contained uri, or an InputError."""
    try:
        settings = made(given, ["model.joblib"], ModelSpec("unused", requirements=(tag,)))
    except InputError:
        return
    assert (settings["name"], settings["parameters"]["version"]) == ("iris_1", "1")
    assert settings["parameters"].get("uri", "./").startswith("./")
    json.dumps(settings)
