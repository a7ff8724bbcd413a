"""The inventory file: what it says, and that a plan from it is the plan from the live system."""

import asyncio
import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from placement.inventory import ReplicaId
from reconciler.inventory.file import written
from reconciler.inventory.fitting import fitted
from reconciler.inventory.masking import masked_text
from reconciler.inventory.reading import read_inventory
from reconciler.inventory.text import schema
from reconciler.planning.plan import Plan
from reconciler.planning.planner import plan
from runtime.state import AppliedResource, LiveState
from schemas.codec import encode
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.strategies import MODELS, full_revisions, revisions
from tests.reconciler.world import POLICY, desired, model, resource, server, settle
from tests.schemas.strategies import resources

SECRET = "hunter2-of-ada"  # what no inventory may say


def appliable(declared) -> bool:
    """True where no experiment mirrors to one of its own candidates: no manifest may say that."""
    specs = [r.spec for r in declared if r.key.kind == "Experiment"]
    return not any(s.mirror and s.mirror.name in {c.name for c in s.candidates} for s in specs)


REVISIONS = (revisions() | full_revisions()).filter(appliable)


def through_file(live: LiveState, wanted=None, policy=POLICY):
    """(desired, live) as planned from the file of ``live``."""
    data = json.dumps(written(live, ["default"])).encode()
    return fitted(read_inventory(data, "inventory.json"), wanted or desired(), policy)


def planned(wanted, live: LiveState) -> tuple[Plan, Plan]:
    """The plan from the live system, and from its file."""
    return plan(wanted, live, POLICY), plan(*through_file(live, wanted), POLICY)


def secretive(name: str = "mlserver", secret: str = SECRET, **spec):
    """A Server with a password in its environment."""
    env = [{"name": "PASSWORD", "value": secret}, {"name": "MLSERVER_PARALLEL_WORKERS", "value": "2"}]
    pod = {"containers": [{"name": "mlserver", "args": [secret], "env": env}]}
    note = {"example.com/note": secret, "moorage.dev/resources": "cpu=2"}
    return resource("Server", name, serverConfig="mlserver", podSpec=pod, annotations=note, **spec)


def settled(*wanted) -> LiveState:
    """The world in which these are applied and run."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(*wanted), world)
        return await world.observe()

    return asyncio.run(story())


@settings(max_examples=60, deadline=None)
@given(REVISIONS, REVISIONS, st.data())
def test_a_plan_from_the_file_is_the_plan_from_the_live_system(before, after, data):
    """Both digests are the same, whatever was applied, failed or lost, and whatever is wanted."""

    async def story():
        world = SimulatedRuntime()
        for name in data.draw(st.sets(st.sampled_from(MODELS), max_size=2)):
            world.faults.loads[ReplicaId("default", "s1", 0), name] = "LoadFailed"
        await settle(desired(*before), world)
        live = await world.observe()
        if live.servers:
            at = data.draw(st.sampled_from([entry.id for entry in live.servers]))
            data.draw(st.sampled_from((world.crash, world.lose, lambda _: None)))(at)
        return await world.observe()

    direct, from_file = planned(desired(*after), asyncio.run(story()))
    assert (from_file.digest, from_file.basis) == (direct.digest, direct.basis)


@settings(max_examples=100, deadline=None)
@given(st.lists(resources(), max_size=3, unique_by=lambda r: r.key), st.data())
def test_what_is_applied_comes_back_where_git_says_the_same(applied, data):
    """Every kind, with everything a manifest can say, whoever owns it."""
    ordered = sorted(applied, key=lambda r: r.key)
    live = LiveState(tuple(AppliedResource(r, data.draw(st.sampled_from(("app", "other")))) for r in ordered))
    _, read = through_file(live, desired(*applied))
    assert read == live


@settings(max_examples=40, deadline=None)
@given(REVISIONS)
def test_a_file_is_what_its_schema_says(declared):
    """Reading what was written finds nothing wrong; and the schema is named in it."""
    said = written(settled(*declared), ["default"])
    assert said["$schema"] == schema()["$id"]
    assert read_inventory(json.dumps(said).encode(), "f").listening == ("default",)


def test_a_file_holds_no_secret():
    """Environment values, arguments and notes of other programs stand there as digests."""
    text = json.dumps(written(settled(secretive(), model("iris")), []))
    assert SECRET not in text
    assert masked_text(SECRET) in text


def test_what_planning_reads_of_a_server_stands_in_the_file():
    """The settings and annotations that decide where models go are no secrets."""
    said = written(settled(secretive()), [])
    (replica,) = said["servers"][0]["replicas"]
    assert replica["template"]["environment"]["MLSERVER_PARALLEL_WORKERS"] == "2"
    assert said["resources"][0]["manifest"]["metadata"]["annotations"]["moorage.dev/resources"] == "cpu=2"


def test_a_secret_that_git_still_says_is_no_change():
    """The digest is put back into the text that Git holds: nothing is replaced."""
    direct, from_file = planned(desired(secretive()), settled(secretive()))
    assert direct.empty
    assert from_file.empty


def test_a_secret_that_git_changed_replaces_the_server():
    """Without the old text being known, the plan is that of the live system."""
    direct, from_file = planned(desired(secretive(secret="another")), settled(secretive()))
    assert [move.action for move in from_file.server_moves] == ["replace"]
    assert from_file.digest == direct.digest


def test_a_replica_says_what_the_engine_looks_at():
    """Memory with what is used, resources, instances, and the loaded version."""
    (said,) = written(settled(secretive(), model("iris", memory="100M")), [])["servers"]
    (replica,) = said["replicas"]
    assert said["expectedReplicas"] == 1
    assert replica["memory"] == {
        "capacity": 1_000_000_000, "used": 200_000_000, "reserved": 0, "overcommitPercent": 10,
    }  # fmt: skip
    assert (replica["resources"], replica["instances"]) == ({"cpu": 2000}, 2)
    (loaded,) = replica["models"]
    assert (loaded["name"], loaded["memory"], loaded["state"]) == ("iris", 100_000_000, "Loaded")
    assert loaded["version"] == model("iris", memory="100M").spec.version


def test_only_a_replica_that_differs_says_its_capabilities():
    """What most replicas offer stands once, at the server."""
    live = settled(server(replicas=3))
    odd = replace(live.servers[1], capabilities=("odd",))
    live = replace(live, servers=(live.servers[0], odd, live.servers[2]))
    (said,) = written(live, [])["servers"]
    assert [each.get("capabilities") for each in said["replicas"]] == [None, ["odd"], None]
    assert through_file(live)[1].servers == live.servers


def described(**facts):
    """A file written by hand: one server, and what ``facts`` say of it."""
    replica = {"index": 0, "memory": {"capacity": 1_000_000_000, "overcommitPercent": 0}}
    replica.update(facts.pop("replica", {}))
    return {
        "schemaVersion": 1,
        "servers": [{"name": "s", "capabilities": ["sklearn"], "replicas": [replica], **facts}],
    }


def plan_from(said, *wanted) -> Plan:
    file = read_inventory(json.dumps(said).encode(), "inventory.json")
    return plan(*fitted(file, desired(*wanted), POLICY), POLICY)


def placed(made: Plan) -> list[str]:
    return [f"{load.model} {load.replica}" for load in made.loads]


def test_servers_alone_are_enough():
    """A few numbers, and the plan says where models would go; the servers themselves stay."""
    made = plan_from(described(), model("iris", memory="1G"))
    assert placed(made) == ["iris default/s/0"]
    assert (made.server_moves, [change.key.kind for change in made.changes]) == ((), ["Model"])


def test_a_described_server_goes_before_the_one_in_git():
    """The file says how large it is, not the manifest."""
    made = plan_from(described(), server("s", memory="8G"), model("iris", memory="2G"))
    assert (placed(made), made.server_moves) == ([], ())
    assert [failure.reason for failure in made.failures] == ["ScheduleFailed"]


def test_reserved_memory_is_not_given_away():
    """What is reserved, or used by nothing that is listed, is not free."""
    memory = {"capacity": 1_000_000_000, "overcommitPercent": 0}
    for taken in ({"reserved": 600_000_000}, {"used": 600_000_000}):
        made = plan_from(described(replica={"memory": {**memory, **taken}}), model("iris", memory="500M"))
        assert [failure.reason for failure in made.failures] == ["ScheduleFailed"]


def test_a_server_that_is_not_shared_takes_only_what_names_it():
    """The verdict NotShared, from a file."""
    made = plan_from(described(shared=False), model("iris"), model("wine", server="s"))
    assert placed(made) == ["wine default/s/0"]


def test_replicas_that_are_expected_are_started():
    """What is wanted and not listed runs soon, and takes models."""
    made = plan_from(described(expectedReplicas=2), model("iris", replicas=2))
    assert [str(move.replica) for move in made.server_moves] == ["default/s/1"]
    assert placed(made) == ["iris default/s/0", "iris default/s/1"]


def test_resources_and_instances_of_a_described_server_count():
    """Two instances of 300M do not fit where one of 500M would."""
    twice = described(replica={"instances": 2, "resources": {"cpu": 1000}})
    assert plan_from(twice, model("iris", memory="600M")).failures
    assert placed(plan_from(twice, model("iris", memory="500M"))) == ["iris default/s/0"]
    note = {"moorage.dev/resources": "cpu=2"}
    assert plan_from(twice, model("iris", annotations=note)).failures


def test_a_replica_without_a_template_has_what_its_server_asks_for():
    """A file that lists applied resources may leave templates out; another size is a replacement."""
    live = settled(server(), model("iris"))
    said = written(live, [])
    del said["servers"][0]["replicas"][0]["template"]
    assert plan_from(said, server(), model("iris")).empty
    said["servers"][0]["replicas"][0]["memory"]["capacity"] += 1
    assert [m.action for m in plan_from(said, server(), model("iris")).server_moves] == ["replace"]


def test_without_environments_everything_can_be_run():
    """A server in Git whose ServerConfig the file does not speak of is started."""
    made = plan_from({"schemaVersion": 1, "servers": []}, server(serverConfig="triton"))
    assert [move.action for move in made.server_moves] == ["start"]


def test_order_in_the_file_does_not_matter():
    """Live state is sorted as it is read."""
    live = settled(server("s1", replicas=2), server("s2"), model("a", replicas=2), model("b"))
    said = written(live, [])
    for list_ in (said["servers"], said["resources"], said["routes"], said["servers"][0]["replicas"]):
        list_.reverse()
    assert (
        read_inventory(json.dumps(said).encode(), "f").live
        == read_inventory(json.dumps(written(live, [])).encode(), "f").live
    )


def test_encoding_leaves_the_live_state_alone():
    """Writing is a pure function."""
    live = settled(secretive(), model("iris"))
    before = encode(live)
    written(live, [])
    assert encode(live) == before
