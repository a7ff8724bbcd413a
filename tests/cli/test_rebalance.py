"""``moorage rebalance``: what it shows, and what it has done."""

import json
import re
from collections.abc import Callable

import pytest

from tests.cli.conftest import Run
from tests.cli.controller import RunningController
from tests.cli.half_empty import half_empty, servers_of

Golden = Callable[[str, str], None]

HERE = {"small": "a", "one": "b", "two": "b", "iris": "mlserver", "wine": "mlserver"}
THERE = dict.fromkeys(HERE, "a")


LOGGED = re.compile(r"^\d{4}-\d\d-\d\d .*\n", re.MULTILINE)


def told(out: str) -> str:
    """What the command printed: the controller logs to the same stdout here."""
    return LOGGED.sub("", out)


@pytest.fixture
def crowd(controller: RunningController) -> RunningController:
    """A controller of a world where something can be gained."""
    half_empty(controller)
    return controller


def test_gains_are_shown_and_nothing_is_moved(run: Run, golden: Golden, crowd: RunningController) -> None:
    """A table of gains, and in the end what all of them come to."""
    ran = run("rebalance")
    assert ran.status == 0
    golden("rebalance", ran.out)
    assert "nothing is moved without --apply" in ran.err
    assert servers_of(crowd) == HERE


def test_applied_it_is_done(run: Run, golden: Golden, crowd: RunningController) -> None:
    """The command waits for the end; then there is nothing more to gain, and nothing to sync."""
    ran = run("rebalance", "--apply")
    assert (ran.status, ran.err) == (0, "")
    golden("rebalance-apply", told(ran.out))
    assert servers_of(crowd) == THERE
    again = run("rebalance", "--apply")
    assert (again.status, again.out) == (0, "nothing to gain\n")
    assert run("plan", "--detailed-exitcode").status == 0


def test_more_than_is_allowed_is_not_moved(run: Run, crowd: RunningController) -> None:
    """Half of the models would be no gain."""
    assert run("rebalance", "--max-moves", "1").out == "nothing to gain\n"


def test_a_step_that_fails_is_told(run: Run, crowd: RunningController) -> None:
    """The status is 1, and what served goes on serving."""
    live = crowd.call(crowd.runtime.observe())
    (goal,) = {each.id for each in live.servers if each.id.server == "a"}
    crowd.runtime.faults.loads[goal, "one"] = "LoadFailed"
    ran = run("rebalance", "--apply")
    assert ran.status == 1
    assert "failed: load default/one@" in ran.out
    assert servers_of(crowd)["one"] in ("a", "b")


def test_as_json_it_is_the_plan_and_the_run(run: Run, crowd: RunningController) -> None:
    """Programs get the plan of the API, and how it went."""
    shown = json.loads(run("rebalance", "-o", "json").out)
    assert (shown["plan"]["reason"], shown["run"]) == ("Rebalance", None)
    done = json.loads(told(run("rebalance", "-o", "json", "--apply").out))
    assert done["plan"] == shown["plan"]
    assert (done["run"]["phase"], done["run"]["digest"]) == ("Succeeded", shown["plan"]["digest"])


def test_without_a_controller_it_shows_and_cannot_apply(run: Run) -> None:
    """The record answers; moving takes a controller."""
    assert run("rebalance").out == "nothing to gain\n"
    ran = run("rebalance", "--apply")
    assert ran.status == 2
    assert "moorage: ControllerNotRunning: only a running controller moves models" in ran.err


@pytest.mark.parametrize("most", ["0", "1001", "many"])
def test_a_wrong_number_of_moves_is_refused(run: Run, most: str) -> None:
    """Before anybody is asked."""
    assert run("rebalance", "--max-moves", most).status == 2
