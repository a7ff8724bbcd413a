"""A ServerConfig without a program on this machine."""

from pathlib import Path

import pytest

from runtime.ports import Artifact, Endpoint, ServerProgram
from runtime.serving.unavailable import UnavailableProgram
from schemas.errors import InputError
from schemas.specs import ModelSpec
from schemas.template import ServerTemplate

ENDPOINT = Endpoint("127.0.0.1", 1, 2)
TEMPLATE = ServerTemplate("triton", "triton", ("onnx",), 1, 0, {})


def test_its_facts_give_the_reason():
    """Not runnable, with a reason and a message that names the ServerConfig."""
    facts = UnavailableProgram("triton").facts()
    assert (facts.runnable, facts.runtimes, facts.reason) == (False, (), "NoServerBinary")
    assert "triton" in facts.message


@pytest.mark.anyio
async def test_preparing_it_is_refused():
    """Nothing is built for it."""
    with pytest.raises(InputError, match="NoServerBinary"):
        await UnavailableProgram("triton").prepare()


@pytest.mark.parametrize(
    "call",
    [
        lambda program: program.command(Path("x"), ENDPOINT, TEMPLATE),
        lambda program: program.connect(ENDPOINT),
        lambda program: program.lay(Path("x"), Artifact("d", Path("a")), "m", 1, ModelSpec("u")),
    ],
)
def test_everything_else_is_refused_too(call):
    """Each refusal carries the reason of the facts and what to do."""
    program: ServerProgram = UnavailableProgram("triton")
    with pytest.raises(InputError, match="NoServerBinary") as failure:
        call(program)
    assert failure.value.hint


def test_removing_is_no_error():
    """Nothing was ever laid, so there is nothing to remove."""
    UnavailableProgram("triton").remove(Path("x"), "m", 1)
