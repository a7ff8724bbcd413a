"""CVE-2023-25163, -40029, 2025-23216, 2026-42880, 2026-45737: no secret is read out of a plan or a difference."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.control.commands import Commands
from reconciler.control.requests import SyncAnswer, SyncRequest
from reconciler.inventory.file import written
from reconciler.listing import objects
from reconciler.planning.diff import field_changes
from reconciler.planning.planner import plan
from reconciler.secrecy import CHANGED, SECRET, is_secret, shown_plan, shown_resource
from runtime.state import AppliedResource, LiveState
from schemas.codec import encode
from schemas.resource import Resource
from tests.e2e.mortal import NAME, Fate, World, process
from tests.reconciler.world import POLICY, desired, model, server

VALUE, OTHER = "hunter2-hunter2", "swordfish-swordfish"
LISTED = {"moorage.dev/secret-parameters": "plain, other"}


def keeper(value: str, name: str = "db_password", **more: Any) -> Resource:
    return model("iris", parameters=[{"name": name, "value": value}], **more)


def podded(value: str) -> Resource:
    env = [{"name": "AWS_SECRET_ACCESS_KEY", "value": value}]
    return server(podSpec={"containers": [{"name": "mlserver", "env": env}]})


def configured(value: str) -> Resource:
    whole = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"password": value})}
    return model("iris", annotations=whole)


CARRIERS: dict[str, Callable[[str], Resource]] = {
    "a parameter by its name": keeper,
    "a parameter that an annotation lists": lambda value: keeper(value, "plain", annotations=LISTED),
    "an environment variable": podded,
    "the manifest that kubectl keeps": configured,
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_difference_says_that_a_secret_changed_and_not_to_what(carrier: str) -> None:
    """Neither the old value nor the new one."""
    make = CARRIERS[carrier]
    text = repr(field_changes(make(VALUE), make(OTHER)))
    assert VALUE not in text
    assert OTHER not in text
    assert CHANGED in text


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_plan_for_people_holds_no_secret(carrier: str) -> None:
    """Nor do its create, its update and the specs of what it loads; its digest is that of the real one."""
    make = CARRIERS[carrier]
    for live in (LiveState(), LiveState((AppliedResource(make(OTHER), "app"),))):
        made = plan(desired(make(VALUE)), live, POLICY)
        shown = shown_plan(made)
        text = json.dumps(encode(shown)) + repr(shown)
        assert VALUE not in text
        assert OTHER not in text
        assert (shown.digest, shown.basis) == (made.digest, made.basis)
        assert shown_plan(shown) == shown


@pytest.mark.parametrize("carrier", CARRIERS)
def test_lists_and_inventories_hold_no_secret(carrier: str) -> None:
    """What is read back of live resources."""
    live = LiveState((AppliedResource(CARRIERS[carrier](VALUE), "app"),))
    listed = json.dumps(objects(live, (), {}))
    assert VALUE not in listed
    assert SECRET in listed
    assert VALUE not in json.dumps(written(live, {}))


def test_taking_a_name_off_the_list_does_not_show_what_it_hid() -> None:
    """Who may push could else read what is live."""
    listed = keeper(VALUE, "plain", annotations=LISTED)
    text = repr(field_changes(listed, keeper("x", "plain")))
    assert VALUE not in text


def test_the_servers_are_told_the_value() -> None:
    """Only people are not."""
    made = plan(desired(server(), keeper(VALUE)), LiveState(), POLICY)
    assert any(VALUE in repr(spec) for spec in made.specs.values()) or VALUE in repr(made.changes)


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWD", "apiKey", "hf_token", "client-secret", "awsAccessKeyId"]
)
def test_names_of_secrets(name: str) -> None:
    """However they are spelled."""
    assert is_secret(name, frozenset())


@pytest.mark.parametrize("name", ["max_tokens", "tokenizer", "key", "threshold", "passes"])
def test_names_of_what_is_no_secret(name: str) -> None:
    """Differences of these can be read."""
    assert not is_secret(name, frozenset())


@given(st.text(max_size=30), st.text(min_size=6, max_size=30, alphabet="XYZ"))
def test_other_parameters_are_shown_as_they_are(name: str, value: str) -> None:
    """Whatever the name: shown, or hidden and said so."""
    shown = shown_resource(model("iris", parameters=[{"name": name or "n", "value": value}]))
    text = repr(shown.spec)
    assert (value in text) != (SECRET in text)


def test_the_answer_to_a_sync_holds_no_secret(tmp_path: Path) -> None:
    """It comes with the plan."""

    async def story() -> SyncAnswer:
        world = World(tmp_path, revisions={"r1": desired(server(), keeper(VALUE), revision="r1")}, head="r1")
        async with process(world, Fate()) as controller:
            return await Commands(controller).sync(NAME, SyncRequest("ada", dry_run=True))

    answer = asyncio.run(story())
    assert answer.plan is not None
    assert VALUE not in repr(answer)
