"""What holds of a placement that is kept up with changes, whatever the changes."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.placement import instance, keep, single_changes
from placement.demand import Demand
from placement.engine import place
from placement.incremental import KeptPlacement
from placement.inventory import Inventory, LoadedModel, Server, ServerReplica
from placement.placement import Assignment, Placement
from placement.policy import REFERENCE, Policy
from tests.placement.builders import demand, entry, free_server, inventory, replica, server, spot
from tests.placement.strategies import demands, inventories

_MANY = settings(max_examples=150, deadline=None)
_SMALL_PACK = Policy("pack", steps=200)

Change = dict[str, Sequence]


@st.composite
def _changes(draw: st.DrawFn) -> list[Change]:
    """A few changes, each of one thing."""
    kinds = draw(st.lists(st.sampled_from(("put", "put", "drop", "servers", "gone")), max_size=5))
    changes: list[Change] = []
    for kind in kinds:
        if kind in ("put", "drop"):
            some = draw(demands())[:1]
            changes.append({kind: some if kind == "put" else [(d.namespace, d.model) for d in some]})
        else:
            some = draw(inventories()).servers[:1]
            changes.append({kind: some if kind == "servers" else [(s.namespace, s.name) for s in some]})
    return changes


def _key(item: Demand | Assignment) -> tuple[str, str]:
    return item.namespace, item.model


def _spots(assignments: Sequence[Assignment]) -> dict[tuple[str, str], tuple]:
    return {_key(a): (a.version, a.server, a.indices, a.outcome) for a in assignments}


def _messages(assignments: Sequence[Assignment]) -> dict[tuple[str, str], str]:
    return {_key(a): a.message for a in assignments}


def _sorted(world: Inventory) -> Inventory:
    def listed(one: ServerReplica) -> ServerReplica:
        return replace(one, loaded=tuple(sorted(one.loaded, key=repr)))

    servers = (
        replace(s, replicas=tuple(sorted(map(listed, s.replicas), key=lambda r: r.index)))
        for s in world.servers
    )
    return Inventory(tuple(sorted(servers, key=lambda s: (s.namespace, s.name))))


class _Plainly:
    """The same by asking the engine about everything, until placing again changes nothing."""

    def __init__(self, start: Inventory, policy: Policy) -> None:
        self.now, self.policy = start, policy
        self.demands: dict[tuple[str, str], Demand] = {}
        self.placement = Placement()

    def change(self, put: Sequence = (), drop: Sequence = (), servers: Sequence = (), gone: Sequence = ()):
        gone = {*gone, *((s.namespace, s.name) for s in servers)}
        left = [s for s in self.now.servers if (s.namespace, s.name) not in gone]
        self.now = _relisted(Inventory((*left, *servers)), lambda s, r, e: (s.namespace, e.model) not in drop)
        for key in drop:
            self.demands.pop(key, None)
        self.demands |= {_key(d): d for d in put}
        for _ in range(40):
            self.placement = place(list(self.demands.values()), self.now, self.policy)
            after = self._executed()
            if after == _sorted(self.now):
                return
            self.now = after
        raise AssertionError("placing did not come to rest")

    def _executed(self) -> Inventory:
        goals = {_key(a): a for a in self.placement.assignments if a.outcome != "ScheduleFailed"}

        def stays(owner: Server, old: ServerReplica, item: LoadedModel) -> bool:
            goal = goals.get((owner.namespace, item.model))
            if goal is None:
                return True
            if item.version != goal.version:
                return False
            holding = item.state in ("Loading", "Loaded")
            at = owner.name == goal.server and old.index in goal.indices
            return item.state == "LoadFailed" or (holding and at)

        kept = _relisted(self.now, stays)
        for key, goal in goals.items():
            kept = _with(kept, goal, self.demands[key])
        return _sorted(kept)


def _relisted(before: Inventory, keeps: Callable[[Server, ServerReplica, LoadedModel], bool]) -> Inventory:
    return Inventory(
        tuple(
            replace(
                s,
                replicas=tuple(
                    replace(r, loaded=tuple(e for e in r.loaded if keeps(s, r, e))) for r in s.replicas
                ),
            )
            for s in before.servers
        )
    )


def _with(before: Inventory, goal: Assignment, wanted: Demand) -> Inventory:
    def load(owner: Server, old: ServerReplica) -> ServerReplica:
        here = (owner.namespace, owner.name) == (goal.namespace, goal.server) and old.index in goal.indices
        if not here or any((e.model, e.version) == (goal.model, goal.version) for e in old.loaded):
            return old
        memory = wanted.memory * old.instances
        new = LoadedModel(goal.model, goal.version, memory, "Loaded", resources=wanted.resources)
        return replace(old, loaded=(*old.loaded, new))

    return Inventory(
        tuple(replace(s, replicas=tuple(load(s, r) for r in s.replicas)) for s in before.servers)
    )


@pytest.mark.parametrize("policy", [REFERENCE, _SMALL_PACK], ids=["reference", "pack"])
@_MANY
@given(demands(), inventories(), _changes())
def test_ends_where_placing_everything_ends(
    policy: Policy, wanted: list[Demand], start: Inventory, changes: list[Change]
) -> None:
    """After each change placement, sentences and loads are those of placing everything until it rests."""
    kept, plainly = KeptPlacement(start, policy), _Plainly(start, policy)
    for change in [{"put": wanted}, *changes]:
        kept.change(**change)
        plainly.change(**change)
        assert _spots(kept.assignments()) == _spots(plainly.placement.assignments)
        assert _sorted(kept.inventory()) == _sorted(plainly.now)
        assert _messages(kept.assignments()) == _messages(plainly.placement.assignments)


@_MANY
@given(demands(), inventories(), _changes())
def test_a_change_answers_with_what_differs(
    wanted: list[Demand], start: Inventory, changes: list[Change]
) -> None:
    """The answer is every assignment that is not what it was, sorted, and nothing else."""
    kept = KeptPlacement(start)
    before: dict[tuple[str, str], tuple] = {}
    for change in [{"put": wanted}, *changes]:
        answer = kept.change(**change)
        now = _spots(kept.assignments())
        assert _spots(answer) == {key: now[key] for key in now if now[key] != before.get(key)}
        assert list(map(_key, answer)) == sorted(map(_key, answer))
        before = now


def _kept(*servers: Server, models: Sequence[Demand] = ()) -> KeptPlacement:
    kept = KeptPlacement(inventory(*servers))
    kept.change(put=models)
    return kept


def test_from_nothing_it_is_the_full_plan() -> None:
    """Put all at once on empty servers, the answer is what the engine says, sentences included."""
    wanted, world = instance(300, 4, fill=1.1)
    assert KeptPlacement(world).change(put=wanted) == place(wanted, world).assignments


def test_adding_a_model_touches_itself_only() -> None:
    """One assignment is the whole answer, whatever else waits."""
    kept = _kept(free_server("s1", 250), models=[demand("ant"), demand("bee"), demand("cat", 200)])
    (answer,) = kept.change(put=[demand("dog", 50)])
    assert (answer.model, *spot(answer)) == ("dog", "s1", (0,))


def test_putting_the_same_again_answers_nothing() -> None:
    """A change that changes nothing has an empty answer."""
    kept = _kept(free_server("s1", 250), models=[demand("ant"), demand("bee", 900)])
    assert kept.change(put=[demand("ant"), demand("bee", 900)]) == ()


def test_freed_memory_goes_to_the_first_in_order_that_can_use_it() -> None:
    """Of two that wait and fit, the one that the engine decides first gets the room; a third is too big."""
    waiting = [demand("bee", 150), demand("cat", 90), demand("dog", 90)]
    kept = _kept(free_server("s1", 100), models=[demand("ant"), *waiting])
    answer = kept.change(drop=[("default", "ant")])
    assert [(done.model, done.outcome) for done in answer] == [("cat", "Scheduled")]


def test_priority_goes_before_name_when_memory_gets_free() -> None:
    """Of those that wait the most important is served first."""
    kept = _kept(free_server("s1", 100), models=[demand("ant")])
    kept.change(put=[demand("bee", 90), replace(demand("cat", 90), priority=5)])
    assert [done.model for done in kept.change(drop=[("default", "ant")])] == ["cat"]


def test_shrinking_a_model_lets_another_one_in() -> None:
    """Fewer replicas free memory on the replica that is left."""
    both = [demand("ant", replicas=2), demand("bee")]
    kept = _kept(free_server("s1", 100, 100), models=both)
    answer = kept.change(put=[demand("ant", replicas=1)])
    assert {done.model: spot(done) for done in answer} == {"ant": ("s1", (0,)), "bee": ("s1", (1,))}


def test_a_partial_placement_grows_when_memory_gets_free() -> None:
    """A model with fewer replicas than wanted takes the room on its own server."""
    models = [demand("ant"), demand("bee", replicas=2, minimum=1)]
    kept = _kept(free_server("s1", 100, 100), models=models)
    assert kept.explain(("default", "bee")).outcome == "PartiallyScheduled"
    (answer,) = kept.change(drop=[("default", "ant")])
    assert (answer.model, answer.outcome, answer.indices) == ("bee", "Scheduled", (0, 1))


def test_a_served_model_that_lacks_one_replica_gets_it() -> None:
    """Holders need no room, so one more replica suffices though two would not fit."""
    models = [demand("ant"), demand("bee")]
    kept = _kept(free_server("s1", 100, 100), models=models)
    (failed,) = kept.change(put=[demand("bee", replicas=2)])
    assert failed.outcome == "ScheduleFailed"
    (answer,) = kept.change(drop=[("default", "ant")])
    assert (answer.outcome, answer.indices) == ("Scheduled", (0, 1))


def test_what_moves_away_makes_room_in_the_same_change() -> None:
    """A model that changes its pin leaves room, which goes to one that waits."""
    models = [demand("ant", pin="s1"), demand("bee", pin="s1")]
    kept = _kept(free_server("s1", 100), free_server("s2", 100), models=models)
    answer = kept.change(put=[demand("ant", pin="s2")])
    assert {done.model: spot(done) for done in answer} == {"ant": ("s2", (0,)), "bee": ("s1", (0,))}


def test_a_new_server_serves_what_waits_and_moves_nothing() -> None:
    """Only waiting models are in the answer."""
    kept = _kept(free_server("s2", 100), models=[demand("ant"), demand("bee")])
    (answer,) = kept.change(servers=[free_server("s1", 500)])
    assert (answer.model, *spot(answer)) == ("bee", "s1", (0,))


def test_what_a_lost_server_served_goes_elsewhere() -> None:
    """Models of a server that is gone are placed anew, the others stay."""
    kept = _kept(free_server("s1", 100), free_server("s2", 200), models=[demand("ant"), demand("bee")])
    (answer,) = kept.change(gone=[("default", "s1")])
    assert (answer.model, *spot(answer)) == ("ant", "s2", (0,))


def test_a_draining_server_gives_its_models_away() -> None:
    """A server is changed by giving it as it is now, with what is loaded there."""
    kept = _kept(free_server("s1", 100), free_server("s2", 200), models=[demand("ant")])
    draining = server("s1", replica(0, 0, entry("ant", memory=100), state="Draining"))
    (answer,) = kept.change(servers=[draining])
    assert (answer.model, *spot(answer)) == ("ant", "s2", (0,))


def test_a_named_resource_that_gets_free_is_used() -> None:
    """What waits for a resource gets its turn when that is given back."""
    one = replace(replica(0, 500), resources=(("gpu", 1000),))
    wants = [replace(demand(name), resources=(("gpu", 1000),)) for name in ("ant", "bee")]
    kept = _kept(server("s1", one), models=wants)
    assert kept.explain(("default", "bee")).outcome == "ScheduleFailed"
    assert [done.model for done in kept.change(drop=[("default", "ant")])] == ["bee"]


def test_reasons_are_of_now() -> None:
    """A sentence tells what is free after all changes, not what was when the model was decided."""
    kept = _kept(free_server("s1", 100), models=[demand("ant", 40), demand("bee", 90)])
    assert "free 60" in kept.explain(("default", "bee")).message
    kept.change(put=[demand("cat", 20)])
    assert "free 40" in kept.explain(("default", "bee")).message


@pytest.mark.parametrize("fill", [0.85, 0.97])
def test_single_changes_move_no_replica_of_untouched_models(fill: float) -> None:
    """Models that come, go and grow leave all others where they are."""
    wanted, world = instance(600, 8, fill=fill)
    kept = _kept(*world.servers, models=wanted)
    assert keep(kept, list(single_changes(wanted, 60)), watched=True).moved == 0
