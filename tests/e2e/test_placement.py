"""Which server gets which model, and what is said where none does."""

import pytest

from tests.e2e.manifests import Manifest, manifest, model, server
from tests.e2e.parts import write_code_model
from tests.e2e.world import World

pytestmark = pytest.mark.real

LEAN_CONFIG = manifest(
    "ServerConfig",
    "lean",
    {
        "podSpec": {
            "containers": [
                {
                    "name": "agent",
                    "env": [
                        {"name": "SELDON_SERVER_TYPE", "value": "mlserver"},
                        {"name": "SELDON_SERVER_CAPABILITIES", "value": "mlserver,python,sklearn"},
                    ],
                },
                {"name": "mlserver", "resources": {"requests": {"memory": "1Gi"}}},
            ]
        }
    },
)
"""A ServerConfig whose environment, as the configuration lists it, has no scikit-learn."""

SCORER = """
import sklearn
from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceResponse

class Scorer(MLModel):
    async def predict(self, payload):
        output = StringCodec.encode_output("library", [sklearn.__name__])
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
"""

GOOD = model("good")


def lean(name: str, **spec: object) -> Manifest:
    return server(name, **{**spec, "serverConfig": "lean"})


def unplaced(world: World, name: str) -> dict[tuple[str, int | None], str]:
    """Deployed, ``name`` is ScheduleFailed and nothing else is wrong; the reasons by server and replica."""
    assert world.health("Model", name) == ("Degraded", "ScheduleFailed")
    assert world.health("Model", "good") == ("Healthy", "ModelAvailable")
    assert world.caller.answers("good") == "good_1"
    assert world.caller.answers(name) == "404"
    return {(v["server"], v["index"]): v["reason"] for v in world.explain(name)["verdicts"]}


def test_requirement_nobody_has(world: World) -> None:
    """A model that requires what no server has is ScheduleFailed, its verdicts say what each lacks."""
    world.deploy(server(), GOOD, model("odd", requirements=("xgboost",)), health="Degraded")
    assert unplaced(world, "odd")["mlserver", 0] == "MissingCapabilities"
    assert "xgboost" in str(world.explain("odd")["verdicts"])
    assert "xgboost" in world.resource("Model", "odd")["health"]["message"]


def test_model_too_big(world: World) -> None:
    """A model larger than any server is ScheduleFailed, its verdicts carry the numbers."""
    world.deploy(server(), GOOD, model("big", memory="10Gi"), health="Degraded")
    assert unplaced(world, "big")["mlserver", 0] == "InsufficientMemory"
    (verdict,) = [v for v in world.explain("big")["verdicts"] if v["index"] == 0]
    assert verdict["numbers"]["required"] == 10 * 2**30


def test_pinned_server_that_is_full(world: World) -> None:
    """A model pinned to a full server waits there, though another server has room."""
    full = server(), server("roomy"), GOOD, model("filler", memory="1Gi", server="mlserver")
    world.deploy(*full, model("pinned", memory="500Mi", server="mlserver"), health="Degraded")
    reasons = unplaced(world, "pinned")
    assert reasons["mlserver", 0] == "InsufficientMemory"
    assert reasons["roomy", None] == "NotRequestedServer"
    assert world.replicas("filler") == {"mlserver/0": "filler_1 Loaded"}
    world.deploy(server(), server("roomy"), GOOD, model("pinned", memory="500Mi", server="mlserver"))
    assert world.replicas("pinned") == {"mlserver/0": "pinned_1 Loaded"}


def test_explain_command_names_servers_and_reasons(world: World) -> None:
    """``moorage explain`` shows the same verdicts."""
    world.deploy(server(), GOOD, model("odd", requirements=("xgboost",)), health="Degraded")
    done = world.run("explain", "model/odd")
    assert done.returncode == 0, done.stderr
    assert "mlserver" in done.stdout
    assert "xgboost" in done.stdout


def test_an_unplaced_change_leaves_the_old_version_serving(world: World) -> None:
    """A served model whose new version fits nowhere goes on serving the old one."""
    world.deploy(server(), GOOD, model("iris"))
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        world.deploy(server(), GOOD, model("iris", memory="10Gi"), health="Degraded")
        requests.wait_for_answers()
    assert world.health("Model", "iris") == ("Degraded", "ScheduleFailed")
    assert requests.failures == {}
    assert set(requests.answered) == {"iris_1"}


def test_servers_with_different_capabilities(world: World) -> None:
    """Each model goes to the server that has what it requires; what an environment lacks is not offered."""
    scorer = write_code_model(
        world.artifacts / "plain", SCORER.replace("import sklearn", "import types as sklearn"), "Scorer"
    )
    world.deploy(
        LEAN_CONFIG,
        lean("lean", extraCapabilities=["scoring"]),
        server(),
        GOOD,
        model("plain", scorer, requirements=("python", "scoring")),
    )
    assert world.replicas("good") == {"mlserver/0": "good_1 Loaded"}
    assert world.replicas("plain") == {"lean/0": "plain_1 Loaded"}
    assert world.caller.rpc("plain").model_name == "plain_1"
    offered = world.objects("Server")["lean"]["status"]["moorage"]["replicas"][0]["capabilities"]
    assert offered == ["mlserver", "python", "scoring"]
    assert "sklearn" in world.resource("Server", "lean")["health"]["message"]


@pytest.fixture(scope="module")
def failed_loads(module_world: World) -> World:
    """A world after two loads used up their retries (half a minute): of a new model, of a new version."""
    world, code = module_world, SCORER
    broken = write_code_model(world.artifacts / "broken", "raise RuntimeError('sunk')", "Scorer")
    servers = (
        LEAN_CONFIG,
        lean("a-lean", extraCapabilities=["scoring"]),
        server("b-full", extraCapabilities=["scoring"]),
    )
    scorer = model(
        "scorer",
        write_code_model(world.artifacts / "scorer", code, "Scorer"),
        requirements=("python", "scoring"),
    )
    world.deploy(*servers, GOOD, model("iris"))
    with world.steady_requests("iris") as requests:
        iris = model("iris", broken, requirements=("python", "sklearn"))
        world.deploy(*servers, GOOD, scorer, iris, health="Degraded")
        requests.wait_for_answers()
    assert requests.failures == {}
    return world


def test_failed_load_moves_to_another_server(failed_loads: World, world: World) -> None:
    """A model whose code cannot be imported on the first capable server is loaded on the second."""
    assert world.replicas("scorer")["b-full/0"] == "scorer_1 Loaded"
    assert world.caller.rpc("scorer").outputs[0].contents.bytes_contents[0] == b"sklearn"
    (rejected,) = [
        v for v in world.explain("scorer")["verdicts"] if (v["server"], v["index"]) == ("a-lean", 0)
    ]
    assert rejected["reason"] == "LoadFailed"
    assert "sklearn" in rejected["message"]


def test_failed_load_of_a_new_version(failed_loads: World, world: World) -> None:
    """Where the new version loads nowhere the old one answers on; health says what was raised."""
    status, reason = world.health("Model", "iris")
    assert (status, reason) == ("Degraded", "LoadFailed")
    assert "sunk" in world.resource("Model", "iris")["health"]["message"]
    assert world.caller.answers("iris").startswith("iris_")
    assert world.health("Model", "good") == ("Healthy", "ModelAvailable")


def test_artifact_that_may_not_be_read(world: World) -> None:
    """A local path outside the allowed folders is refused at once, with the reason; others are unaffected."""
    world.deploy(server(), GOOD, model("thief", "file:///etc"), health="Degraded")
    assert world.health("Model", "thief")[0] == "Degraded"
    assert "/etc" in world.resource("Model", "thief")["health"]["message"]
    assert world.caller.answers("good") == "good_1"
