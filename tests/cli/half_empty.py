"""A world with three servers that are nearly empty: one would do."""

from tests.cli.controller import RunningController
from tests.cli.repository import FILES, SERVER, commit, model

SERVERS = {
    f"servers/{name}.yaml": SERVER.replace("name: mlserver}\n", f"name: {name}}}\n") for name in ("a", "b")
}
BIG = {"models/big.yaml": model("big", "1050Mi")}
PAIR = {"models/one.yaml": model("one", "200Mi"), "models/two.yaml": model("two", "100Mi")}
SMALL = {"models/small.yaml": model("small", "300Mi", server="a")}
LAST = {**FILES, **SERVERS, **PAIR, **SMALL}


def half_empty(controller: RunningController) -> None:
    """``one`` and ``two`` stand on b, because a was full when they came; on a there is only ``small`` left."""
    for files in ({**FILES, **SERVERS, **BIG}, {**FILES, **SERVERS, **BIG, **PAIR}, LAST):
        controller.settle(commit(controller._repository, files))


def servers_of(controller: RunningController) -> dict[str, str]:
    """The server of each model."""
    live = controller.call(controller.runtime.observe())
    return {each.model: each.replica.server for each in live.models}
