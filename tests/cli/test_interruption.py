"""What a plan shows of a model that is recreated: the interruption, and what is not declared."""

import asyncio
from collections.abc import Callable

import pytest

from reconciler.cli.plans import show_plan
from reconciler.planning.planner import plan
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY, desired, model, server, settle


def test_interruption_and_warnings_are_shown(
    capsys: pytest.CaptureFixture[str], golden: Callable[[str, str], None]
) -> None:
    """The route goes before it comes back; a model without spec.memory is named."""

    async def story() -> None:
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris", memory="600M")), world)
        annotations = {"moorage.dev/update-strategy": "Recreate"}
        after = model("iris", memory="700M", annotations=annotations)
        show_plan(plan(desired(server(), after, model("small")), await world.observe(), POLICY))

    asyncio.run(story())
    golden("plan-recreate", capsys.readouterr().out)
