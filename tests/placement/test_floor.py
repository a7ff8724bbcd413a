"""The floor of ``bench/placement.py`` decides what the reference decides, so it is a fair yardstick."""

import pytest

from bench.placement import Where, plain
from placement.inventory import Server
from tests.placement.builders import demand, free_server, inventory, replica, server


@pytest.mark.parametrize(
    ("servers", "replicas", "requirement", "expected"),
    [
        ((free_server("s1", 200), free_server("s2", 200, 200)), 2, "sklearn", ("s2", (0, 1))),
        ((free_server("s1", 200), free_server("s2", 200, 0)), 2, "sklearn", None),
        ((free_server("s2", 200, 200),), 3, "sklearn", None),
        ((free_server("s1", 150, 200),), 1, "sklearn", ("s1", (1,))),
        ((free_server("s1", 200, 200),), 1, "sklearn", ("s1", (0,))),
        ((free_server("s1", 99),), 1, "sklearn", None),
        ((free_server("s1", 100),), 1, "sklearn", ("s1", (0,))),
        ((server("s1", replica(0, 200, reserved=101)),), 1, "sklearn", None),
        ((server("s1", replica(0, 200, reserved=100)),), 1, "sklearn", ("s1", (0,))),
        ((free_server("s1", 200),), 1, "SKLearn", None),
    ],
    ids=[
        "the first server with room for all",
        "no server has two replicas with room",
        "too few replicas",
        "the most free replica",
        "the lowest index among equals",
        "one byte short",
        "exactly enough",
        "more reserved than spare",
        "just not too much reserved",
        "case counts",
    ],
)
def test_the_floor_decides_as_the_reference(
    servers: tuple[Server, ...], replicas: int, requirement: str, expected: tuple[str, tuple[int, ...]] | None
) -> None:
    """A model of 100 bytes goes where the reference's own scheduler tests put it."""
    where: Where = plain([demand(replicas=replicas, requirements=[requirement])], inventory(*servers))
    assert where.get("iris") == expected


def test_the_floor_takes_what_is_free_once() -> None:
    """What one model took is not there for the next."""
    world = inventory(free_server("s1", 150), free_server("s2", 150))
    where = plain([demand("ant"), demand("bee")], world)
    assert where == {"ant": ("s1", (0,)), "bee": ("s2", (0,))}
