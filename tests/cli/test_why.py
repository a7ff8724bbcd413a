"""Failures and explanations as they are read: on one screen, or everything when asked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory
from placement.why.advice import Advisor
from placement.why.verdicts import verdicts
from reconciler.cli.plans import show_plan
from reconciler.cli.why import LISTED_FAILURES, LISTED_SERVERS, show_explanation
from reconciler.planning.plan import Failure, Plan
from reconciler.planning.planner import Explanation
from schemas.codec import decode, encode
from schemas.resource import key
from tests.cli.conftest import Run
from tests.cli.repository import FILES, commit, model
from tests.placement.builders import GI, demand, entry, free_server, inventory, replica, server

Golden = Callable[[str, str], None]
Read = Callable[[], str]

WORLD = inventory(
    server("gpu", replica(0, 8 * GI, capabilities=("gpu", "sklearn"), state="Draining")),
    server("mlserver", replica(0, GI), replica(1, GI // 2, state="Restarting")),
    server("private", replica(0, 9 * GI), shared=False),
)


@pytest.fixture
def read(capsys: pytest.CaptureFixture[str]) -> Read:
    """What was printed."""
    return lambda: capsys.readouterr().out


def failures(count: int, world: Inventory = WORLD) -> tuple[Failure, ...]:
    """Models that differ in what they lack, as a plan tells them."""
    advisor = Advisor(world)
    wanted = [
        demand(f"m{n:04}", GI * (2 + n % 3), requirements=(("sklearn",), ("tpu",))[n % 5 == 0])
        for n in range(count)
    ]
    placed = {a.model: a for a in place(wanted, world).assignments}
    return tuple(
        Failure(
            key("Model", "default", each.model),
            placed[each.model].outcome,
            placed[each.model].message,
            1,
            0,
            advisor.remedy(each),
        )
        for each in wanted
    )


def explanation(wanted: Demand, world: Inventory) -> Explanation:
    (assignment,) = place([wanted], world).assignments
    return Explanation(wanted, assignment, verdicts(wanted, world), Advisor(world).remedy(wanted))


def test_few_failures_are_listed_with_what_would_help(read: Read, golden: Golden) -> None:
    """One row each, and the remedy instead of all the numbers."""
    show_plan(Plan("a", "r", "Asked", failures=failures(6)))
    golden("plan-failures", read())


def test_many_failures_are_counted(read: Read, golden: Golden) -> None:
    """By reason and remedy, with what helps the neediest of a group."""
    show_plan(Plan("a", "r", "Asked", failures=failures(300)))
    golden("plan-many-failures", read())


def test_wide_lists_every_failure_with_its_numbers(read: Read, golden: Golden) -> None:
    """However many there are."""
    found = failures(LISTED_FAILURES + 1)
    show_plan(Plan("a", "r", "Asked", failures=found), wide=True)
    golden("plan-wide", read())


def test_a_thousand_servers_stay_on_one_screen(read: Read) -> None:
    """The nearest are listed, the rest is counted."""
    world = inventory(*(free_server(f"s{n:04}", n, n) for n in range(1000)))
    show_explanation(explanation(demand(memory=5000), world), every=False)
    lines = read().splitlines()
    assert len(lines) <= 24
    assert lines[-1] == f"and {1000 - LISTED_SERVERS} more: 990 NotEnoughReplicas; --all lists every verdict"
    assert next(line for line in lines if line.startswith("s0")).startswith("s0999")


def test_an_explanation_groups_verdicts_by_server(read: Read, golden: Golden) -> None:
    """Counts per reason, the nearest miss and the remedy."""
    show_explanation(explanation(demand(memory=3 * GI), WORLD), every=False)
    golden("explain-grouped", read())


def test_all_lists_every_verdict(read: Read, golden: Golden) -> None:
    """Draining and restarting replicas have their own sentences."""
    show_explanation(explanation(demand(memory=GI // 4, replicas=4), WORLD), every=True)
    golden("explain-all", read())


def test_a_partly_placed_model_says_what_would_complete_it(read: Read, golden: Golden) -> None:
    """Desired, placed, and the remedy."""
    world = inventory(server("a", replica(0, 0, entry("iris", memory=GI)), replica(1, 0)))
    show_explanation(explanation(demand(memory=GI, replicas=2, minimum=1), world), every=False)
    golden("explain-partial", read())


def test_a_pinned_model_says_what_it_waits_for(read: Read, golden: Golden) -> None:
    """A server that does not exist."""
    show_explanation(explanation(demand(memory=GI, pin="central"), WORLD), every=False)
    golden("explain-pinned", read())


def test_a_remedy_survives_json() -> None:
    """A controller's answer is read back as it was."""
    for each in failures(6):
        assert decode(Failure, encode(each)) == each
    found = explanation(replace(demand(memory=GI * 4), resources=(("cpu", 500),)), WORLD)
    assert decode(Explanation, encode(found)) == found


def test_the_command_takes_wide_and_all(run: Run, folder: Path) -> None:
    """The plan's failure carries its remedy beside its message; the explanation every replica."""
    commit(folder / "repository.git", {**FILES, "models/iris.yaml": model("iris", memory="8Gi")})
    wide = run("plan", "-o", "wide")
    assert wide.status == 0
    assert "nearest mlserver/0: needs 8Gi" in wide.out
    assert "more memory per replica of server mlserver" in wide.out
    assert "InsufficientMemory  needs 8Gi" in run("explain", "model/iris", "--all").out
