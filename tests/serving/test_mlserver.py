"""Real MLServer: the contract of every server program, and what only MLServer shows."""

import json

import httpx
import numpy
import pytest
import tritonclient.grpc as grpcclient

from runtime.ports import Artifact
from runtime.serving.environments import Environments
from runtime.serving.mlserver import MLServerProgram
from schemas.errors import InputError, TransientError
from schemas.specs import ModelSpec, Parameter
from schemas.template import ServerTemplate
from tests.contracts.server_program import ServerProgramContract, Serving, Subject, free_endpoint
from tests.serving.parts import IRIS_REQUEST, mlserver_program, write_iris

SKLEARN = ModelSpec("unused", requirements=("sklearn",))

ECHO = """
from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceResponse

class Echo(MLModel):
    async def load(self):
        self.word = self.settings.parameters.extra["word"]
        return True

    async def predict(self, payload):
        output = StringCodec.encode_output("word", [self.word])
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
"""


@pytest.mark.real
class TestMLServer(ServerProgramContract):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls, tmp_path_factory: pytest.TempPathFactory) -> Subject:
        folder = tmp_path_factory.mktemp("artifacts")
        (folder / "broken").mkdir()
        (folder / "broken" / "model.joblib").write_bytes(b"not a pickle")
        good = write_iris(folder / "iris")
        broken = Artifact("broken", folder / "broken")
        return Subject(mlserver_program(), good, broken, SKLEARN, IRIS_REQUEST)

    @pytest.mark.anyio
    async def test_iris_answers_as_in_the_reference(self, serving: Serving) -> None:
        """[[1,2,3,4]] answers ``predict INT64 [1,1] [2]``."""
        name = serving.lay("iris")
        await serving.client.load(name)
        (output,) = serving.infer(name).json()["outputs"]
        assert (output["name"], output["datatype"]) == ("predict", "INT64")
        assert (output["shape"], output["data"]) == ([1, 1], [2])

    @pytest.mark.anyio
    async def test_it_answers_by_grpc_and_takes_more_than_four_mebibytes(self, serving: Serving) -> None:
        """The gRPC port serves the same model; the message limit is the reference's, not gRPC's."""
        name = serving.lay("grpc")
        await serving.client.load(name)
        rows = numpy.tile(numpy.array([1, 2, 3, 4], dtype=numpy.float32), (300_000, 1))
        tensor = grpcclient.InferInput("predict", list(rows.shape), "FP32")
        tensor.set_data_from_numpy(rows)
        url = f"{serving.endpoint.host}:{serving.endpoint.grpc_port}"
        with grpcclient.InferenceServerClient(url) as client:
            answer = client.infer(name, [tensor])
        assert answer.get_response().model_name == name
        assert set(answer.as_numpy("predict").ravel()) == {2}

    @pytest.mark.anyio
    async def test_a_model_brings_its_own_code_and_gets_its_parameters(self, serving: Serving, tmp_path):
        """``implementation`` in the artifact runs, and ``spec.parameters`` arrive as ``parameters.extra``."""
        (tmp_path / "echo.py").write_text(ECHO)
        (tmp_path / "model-settings.json").write_text(
            json.dumps({"name": "other", "implementation": "echo.Echo", "parameters": {"version": "v7"}})
        )
        spec = ModelSpec(
            "unused", requirements=("mlserver", "python"), parameters=(Parameter("word", "ahoy"),)
        )
        serving.subject.program.lay(serving.folder, Artifact("echo", tmp_path), "echo", 1, spec)
        await serving.client.load("echo_1")
        answer = serving.infer("echo_1").json()
        assert (answer["model_name"], answer["model_version"]) == ("echo_1", "1")
        assert answer["outputs"][0]["data"] == ["ahoy"]

    @pytest.mark.anyio
    async def test_why_a_load_failed_is_in_its_error(self, serving: Serving) -> None:
        """The error of a broken artifact names what Python raised, on one line."""
        name = serving.lay("why", artifact=serving.subject.broken)
        with pytest.raises(TransientError) as failure:
            await serving.client.load(name)
        assert failure.value.reason == "LoadFailed"
        assert "KeyError" in failure.value.message
        assert "\n" not in failure.value.message

    @pytest.mark.anyio
    async def test_inferences_are_counted_on_the_metrics_port(self, serving: Serving) -> None:
        """The metrics port in settings.json tells how often a model answered."""
        name = serving.lay("counted")
        await serving.client.load(name)
        for _ in range(3):
            serving.infer(name)
        port = json.loads((serving.folder / "settings.json").read_text())["metrics_port"]
        async with httpx.AsyncClient() as client:
            lines = (await client.get(f"http://127.0.0.1:{port}/metrics")).text.splitlines()
        (count,) = [x for x in lines if x.startswith("model_infer_request_success_total") and name in x]
        assert count.endswith(" 3.0")

    @pytest.mark.anyio
    async def test_a_nested_settings_file_registers_no_model(self, serving: Serving, tmp_path):
        """A settings file deeper in an artifact cannot take over another model's name."""
        victim = serving.lay("victim")
        artifact = write_iris(tmp_path / "iris")
        (artifact.folder / "deep").mkdir()
        evil = {"name": victim, "implementation": "os.system"}
        (artifact.folder / "deep" / "model-settings.json").write_text(json.dumps(evil))
        serving.lay("attacker", artifact=artifact)
        await serving.client.load(victim)
        assert serving.infer(victim).status_code == 200

    @pytest.mark.anyio
    async def test_metadata_names_the_server(self, serving: Serving) -> None:
        """The metadata call answers name and version."""
        assert (await serving.client.metadata())["name"] == "mlserver"


@pytest.fixture
def unbuilt(tmp_path) -> MLServerProgram:
    """A program whose environment nobody built."""
    return MLServerProgram("mlserver", Environments(tmp_path / "environments", print))


def _template(**environment: str) -> ServerTemplate:
    return ServerTemplate("mlserver", "mlserver", (), 1_000_000_000, 10, environment)


def test_facts_build_nothing(unbuilt, tmp_path):
    """Facts come from the package list alone."""
    assert unbuilt.facts().runtimes == ("mlserver", "python", "sklearn")
    assert not list(tmp_path.iterdir())


def test_ports_of_the_template_do_not_win(unbuilt, tmp_path):
    """The endpoint decides the ports, whatever ``MLSERVER_HTTP_PORT`` of the ServerConfig says."""
    endpoint = free_endpoint()
    unbuilt.command(tmp_path, endpoint, _template(MLSERVER_HTTP_PORT="9000", MLSERVER_PARALLEL_WORKERS="4"))
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert (settings["http_port"], settings["grpc_port"]) == (endpoint.http_port, endpoint.grpc_port)
    assert settings["parallel_workers"] == 0
    assert len({settings["http_port"], settings["grpc_port"], settings["metrics_port"]}) == 3


def test_the_grpc_limit_is_the_templates(unbuilt, tmp_path):
    """``MLSERVER_GRPC_MAX_MESSAGE_LENGTH`` is taken over; without it the reference's limit holds."""
    limits = []
    for template in (_template(MLSERVER_GRPC_MAX_MESSAGE_LENGTH="1234"), _template()):
        unbuilt.command(tmp_path, free_endpoint(), template)
        limits.append(json.loads((tmp_path / "settings.json").read_text())["grpc_max_message_length"])
    assert limits == [1234, 1048576000]


def test_a_grpc_limit_that_is_no_number_is_refused(unbuilt, tmp_path):
    """The error names the variable and the ServerConfig."""
    with pytest.raises(InputError, match="MLSERVER_GRPC_MAX_MESSAGE_LENGTH of ServerConfig mlserver"):
        unbuilt.command(tmp_path, free_endpoint(), _template(MLSERVER_GRPC_MAX_MESSAGE_LENGTH="much"))


def test_a_template_cannot_set_settings_of_all_models(unbuilt, tmp_path):
    """``MLSERVER_MODEL_*`` would apply to every model of the server, and foreign variables are no settings."""
    template = _template(MLSERVER_MODEL_IMPLEMENTATION="a.B", LD_PRELOAD="x", MLSERVER_DEBUG="true")
    command = unbuilt.command(tmp_path, free_endpoint(), template)
    assert not {"MLSERVER_MODEL_IMPLEMENTATION", "LD_PRELOAD"} & set(command.env)
    assert command.env["MLSERVER_DEBUG"] == "true"


@pytest.mark.anyio
async def test_a_package_list_without_mlserver_runs_nothing(tmp_path):
    """Its facts say so, and preparing it is an error, not a build."""
    program = MLServerProgram("odd", Environments(tmp_path / "environments", print), ["numpy"])
    assert (program.facts().runnable, program.facts().reason) == (False, "NoServerBinary")
    with pytest.raises(InputError, match="NoServerBinary"):
        await program.prepare()
