"""What if: a server more, a server less, another policy. The plan says what would happen."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement.policy import PACK
from reconciler.planning.plan import Plan
from reconciler.planning.planner import plan
from reconciler.planning.whatif import REASON, WithoutServer, WithPolicy, WithServer, World, supposed
from runtime.state import AppliedResource, LiveState
from schemas.errors import InputError
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.strategies import revisions
from tests.reconciler.world import POLICY, desired, model, server, settle

GIB = 2**30


def world(*wanted, live: bool = True) -> World:
    """What is wanted, and by default what runs once it is done."""

    async def story() -> LiveState:
        runtime = SimulatedRuntime()
        if live:
            await settle(desired(*wanted), runtime)
        return await runtime.observe()

    return World(desired(*wanted), asyncio.run(story()), POLICY)


def suppose(before: World, *assumptions) -> Plan:
    after = supposed(before, assumptions)
    return plan(after.desired, after.live, after.policy, REASON)


def loads(made: Plan) -> list[str]:
    return [f"{load.model} {load.replica}" for load in made.loads]


def server_moves(made: Plan) -> list[str]:
    return [f"{move.action} {move.replica}" for move in made.server_moves]


def with_server(name: str, **facts) -> WithServer:
    return WithServer("default", name, **facts)


def test_one_more_server_takes_what_fits_nowhere():
    """Started and loaded, and nothing in Git has to be changed for the answer."""
    before = world(server(), model("large", memory="3Gi"))
    assert plan(before.desired, before.live, POLICY).failures
    made = suppose(before, with_server("more", replicas=2, memory=4 * GIB, capabilities=("sklearn",)))
    assert server_moves(made) == ["start default/more/0", "start default/more/1"]
    assert loads(made) == ["large default/more/0"]
    assert (made.failures, made.changes) == ((), ())


def test_what_a_supposed_server_offers_counts_as_installed():
    """Also an inference runtime that this machine does not have."""
    before = world(server(), model("llm", requirements=["huggingface"]))
    made = suppose(before, with_server("gpu", memory=GIB, capabilities=("huggingface", "label")))
    assert loads(made) == ["llm default/gpu/0"]


def test_overcommit_of_a_supposed_server_counts():
    """10 % unless something else is said."""
    before = world(model("large", memory="1050Mi"))
    facts = {"memory": 1000 * 2**20, "capabilities": ("sklearn",)}
    assert loads(suppose(before, with_server("s", **facts)))
    assert not loads(suppose(before, with_server("s", **facts, overcommit_percent=0)))


def test_a_server_that_exists_keeps_what_is_not_said():
    """More replicas only: those that run stay as they are."""
    before = world(server(), model("iris", replicas=2, minReplicas=1))
    made = suppose(before, with_server("mlserver", replicas=2))
    assert server_moves(made) == ["start default/mlserver/1"]
    assert loads(made) == ["iris default/mlserver/1"]


def test_a_server_that_exists_may_be_larger():
    """Its memory in place of what its manifest says."""
    before = world(server(), model("large", memory="3Gi"))
    made = suppose(before, with_server("mlserver", memory=4 * GIB))
    assert server_moves(made) == ["replace default/mlserver/0"]
    assert loads(made) == ["large default/mlserver/0"]


def test_a_server_of_another_owner_may_be_supposed_larger():
    """Whose it is does not matter to the question."""
    before = world(server(), model("iris", replicas=2, minReplicas=1))
    resources = tuple(
        AppliedResource(e.resource, "configuration") if e.resource.key.kind == "Server" else e
        for e in before.live.resources
    )
    gone = replace(before.desired, resources=(model("iris", replicas=2, minReplicas=1),))
    before = World(gone, replace(before.live, resources=resources), POLICY)
    assert loads(suppose(before, with_server("mlserver", replicas=2))) == ["iris default/mlserver/1"]


def test_a_new_server_needs_a_size():
    """Nobody can guess it."""
    with pytest.raises(InputError, match="InvalidCommand: server default/more does not exist yet"):
        suppose(world(server()), with_server("more"))


def test_without_a_server_its_models_go_elsewhere():
    """Its replicas stop, and what they served is loaded where there is room."""
    before = world(server("a"), server("b"), model("iris"))
    made = suppose(before, WithoutServer("default", "a"))
    assert server_moves(made) == ["stop default/a/0"]
    assert loads(made) == ["iris default/b/0"]
    assert made.changes == ()


def test_without_the_only_server_models_fail_with_a_reason():
    """The plan says which, and no prune rule hides it."""
    made = suppose(world(server(), model("iris")), WithoutServer("default", "mlserver"))
    assert [(failure.key.name, failure.reason) for failure in made.failures] == [("iris", "ScheduleFailed")]


def test_a_lost_replica_gives_its_models_to_others():
    """Placed on what is left; the server itself stays as Git wants it."""
    before = world(server(replicas=2), model("iris"))
    made = suppose(before, WithoutServer("default", "mlserver", 0))
    assert (server_moves(made), loads(made), made.unloads) == ([], ["iris default/mlserver/1"], ())


def test_a_lost_replica_that_was_not_started_yet_takes_nothing():
    """The same question before the first sync."""
    before = world(server(replicas=2), model("iris"), live=False)
    made = suppose(before, WithoutServer("default", "mlserver", 0))
    assert server_moves(made) == ["start default/mlserver/1"]
    assert loads(made) == ["iris default/mlserver/1"]


def test_the_last_replica_lost_is_a_failure():
    """Nothing is left to serve the model."""
    made = suppose(world(server(), model("iris")), WithoutServer("default", "mlserver", 0))
    assert [failure.reason for failure in made.failures] == ["ScheduleFailed"]


@pytest.mark.parametrize("gone", [WithoutServer("default", "no"), WithoutServer("default", "mlserver", 7)])
def test_only_what_is_there_can_be_gone(gone: WithoutServer):
    """A typing error is no scenario."""
    with pytest.raises(InputError, match="ResourceNotFound"):
        suppose(world(server()), gone)


def test_another_policy_is_planned_with():
    """Two of the three fit by the reference's rules, all by packing."""
    declared = [server("s", replicas=2, memory="1G"), *(model(n, memory=m) for n, m in
        (("a", "500M"), ("b", "400M"), ("c", "500M"), ("d", "600M")))]  # fmt: skip
    before = world(*declared, live=False)
    assert plan(before.desired, before.live, POLICY).failures
    assert not suppose(before, WithPolicy(PACK)).failures


def test_assumptions_are_taken_one_after_the_other():
    """First gone, then there again with other numbers: another server of the same name."""
    before = world(server(), model("iris"))
    made = suppose(
        before,
        WithoutServer("default", "mlserver"),
        with_server("mlserver", memory=2 * GIB, capabilities=("sklearn",)),
    )
    assert server_moves(made) == ["replace default/mlserver/0"]


def test_assumptions_are_told_in_words():
    """As the output names them."""
    told = [
        with_server("m", replicas=2, memory=4 * GIB, capabilities=("a", "b"), overcommit_percent=0),
        with_server("m"),
        WithoutServer("n", "s"),
        WithoutServer("n", "s", 3),
        WithPolicy(replace(PACK, max_moves=3)),
    ]
    assert [str(each) for each in told] == [
        "server default/m with replicas 2, memory 4Gi, overcommit 0%, capabilities a,b",
        "server default/m with 1 replica",
        "no server n/s",
        "server replica n/s/3 lost",
        "placement policy pack, at most 3 moves",
    ]


@settings(max_examples=40, deadline=None)
@given(revisions())
def test_supposing_nothing_changes_nothing(declared):
    """The plan of an unchanged world is the plan."""
    before = world(*declared)
    assert supposed(before, ()) == before


@settings(max_examples=40, deadline=None)
@given(revisions(), st.integers(0, 3), st.integers(0, 2**32))
def test_one_more_server_takes_no_served_model_away(declared, replicas, memory):
    """A further server never makes a model fail that was served."""
    before = world(*declared)
    failing = {f.key for f in plan(before.desired, before.live, POLICY).failures}
    made = suppose(before, with_server("zz", replicas=replicas, memory=memory, capabilities=("sklearn",)))
    assert {f.key for f in made.failures} <= failing
