"""Random stories on real processes: pushes, kills, suspensions and pins in any order, and what is pushed
last serves in the end.

A few in the suite; ``STORIES=200 SEED=x`` tells more of them, the same ones for the same seed. The machine's
own timing is part of each story, so a failed one may need some tries.
"""

import os
import signal
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest

from tests.e2e.manifests import Manifest, model, server
from tests.e2e.parts import IRIS, IRIS_V2
from tests.e2e.world import APPLICATION, World

pytestmark = [pytest.mark.real, pytest.mark.timeout(20_000)]

STORIES = int(os.environ.get("STORIES", "4"))
SEED = os.environ.get("SEED", "moorage")
NAMES = ("a", "b", "c")
PATH = f"/api/v1/applications/{APPLICATION}"


class Story:
    """One random story in a world that has one before and one after it."""

    def __init__(self, world: World, random: Random) -> None:
        self.world = world
        self.random = random
        self.wanted = {"a": IRIS}
        self.revision = self.push()

    def push(self) -> str:
        """Commit what is wanted now."""
        models: list[Manifest] = [model(name, uri) for name, uri in sorted(self.wanted.items())]
        self.revision = self.world.push(server(), *models)
        return self.revision

    def change(self) -> None:
        """Push other models, or the same ones with other artifacts."""
        some = self.random.sample(NAMES, self.random.randint(1, len(NAMES)))
        self.wanted = {name: self.random.choice((IRIS, IRIS_V2)) for name in some}
        self.push()

    def hint(self) -> None:
        """Ask for a look, as a webhook does."""
        self.world.refresh()

    def kill_controller(self) -> None:
        """``kill -9`` and start again; a push may come in between."""
        self.world.signal(signal.SIGKILL)
        if self.random.random() < 0.5:
            self.change()
        self.world.start()

    def kill_server(self) -> None:
        """``kill -9`` of the inference server, if one runs."""
        for pid, role in self.world.processes().items():
            if role == "mlserver/0":
                os.kill(pid, signal.SIGKILL)

    def suspend(self) -> None:
        """Hold everything for a while, pushes included."""
        self._say("suspend", why="story")
        self.change()
        self._say("resume")

    def pin(self) -> None:
        """Stay at a revision while another one is pushed, then follow again."""
        self._say("pin", revision=self.revision)
        self.change()
        self._say("unpin")

    def _say(self, command: str, **said: str) -> None:
        self.world.post(f"{PATH}/{command}", {"who": "story", **said})

    def tell(self) -> None:
        """Let things happen, then check that it came to what was wanted last."""
        happenings: tuple[Callable[[], None], ...] = (
            *(self.change,) * 3,
            *(self.hint, self.kill_controller, self.kill_server, self.suspend, self.pin),
        )
        for _ in range(self.random.randint(2, 5)):
            self.random.choice(happenings)()
        self.world.settled(self.revision)
        self.check()

    def check(self) -> None:
        """What serves is what was pushed last, nothing else runs, and no sync was done twice."""
        assert set(self.world.objects("Model")) == set(self.wanted)
        for name in NAMES:
            answer = self.world.caller.answers(name)
            expected = self.world.version(name) if name in self.wanted else "404"
            assert answer == expected
        stored = {name: each["spec"]["storageUri"] for name, each in self.world.objects("Model").items()}
        assert stored == self.wanted
        syncs = self.world.get(f"{PATH}/history")["items"]
        assert not [each for each in syncs if each["phase"] == "Running"]
        # The same facts may well come back after other syncs; never right after the sync that changed them.
        done = [(each["digest"], each["basis"]) for each in syncs if each["phase"] == "Succeeded"]
        assert all(one != other for one, other in pairwise(done)), "one plan was carried out twice"


@pytest.mark.parametrize("number", range(STORIES))
def test_what_was_pushed_last_serves_in_the_end(world: World, number: int) -> None:
    """Whatever is killed, held and pushed in between."""
    Story(world, Random(f"{SEED}/{number}")).tell()
