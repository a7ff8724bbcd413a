"""A controller in a process of its own, to be killed: ``python -m tests.local.controller FOLDER [WHEN WRITE]``.

It applies :func:`script` in order, prints one line and stays. With WRITE it kills itself (SIGKILL) just
before or just after (WHEN) its WRITE-th write to the record. The record is written before and after
every effect, so these are all the places between intent, effect and result.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from runtime.operations import (
    Operation,
    RecordResource,
    ReplaceServerReplica,
    SetRoutes,
    StartServerReplica,
    StopServerReplica,
)
from tests.contracts.runtime import FIRST, SECOND, done, load, model, route, server, template, unload
from tests.local.world import LocalWorld


def script(world: LocalWorld) -> list[Operation]:
    """A life of one model: served, upgraded, its server replaced, a second server come and gone."""
    one, two = (load("iris", world.version_uri(name)) for name in ("a", "b"))
    return [
        RecordResource(server("mlserver"), "app"),
        RecordResource(model("iris", "memory://b"), "app"),
        StartServerReplica(FIRST, template()),
        one,
        SetRoutes(set=(route(one),)),
        two,
        SetRoutes(set=(route(two),)),
        unload(one),
        StartServerReplica(SECOND, template()),
        ReplaceServerReplica(FIRST, template(memory=7)),
        StopServerReplica(SECOND),
    ]


def die_at(world: LocalWorld, when: str, write: int) -> None:
    """SIGKILL to ourselves ``before`` the given write, or ``after`` it at the first chance to do anything."""
    seen = 0
    loop = asyncio.get_running_loop()

    def count(statement: str) -> None:
        nonlocal seen
        seen += statement.startswith(("INSERT", "DELETE", "COMMIT"))
        if seen == write and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        elif seen == write:
            loop.call_soon(os.kill, os.getpid(), signal.SIGKILL)

    world.runtime._record._connection.set_trace_callback(count)


async def main() -> None:
    world = LocalWorld(Path(sys.argv[1]))
    operations = script(world)
    await world.runtime.start()
    if len(sys.argv) > 2:
        die_at(world, sys.argv[2], int(sys.argv[3]))
    await done(world.runtime, *operations)
    print("done", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
