"""Routes: a model's own, and what experiments make of them."""

from placement.inventory import ReplicaId
from reconciler.planning.routing import routes
from runtime.routes import Target
from tests.reconciler.world import experiment

AT = (ReplicaId("default", "mlserver", 0),)


def targets(*names: str) -> dict[tuple[str, str], Target]:
    return {("default", name): Target(name, f"{name}-v1", AT) for name in names}


def table(served, *experiments):
    return {
        route.name: [(w.target.model, w.weight) for w in route.targets]
        for route in routes(served, experiments)
    }


def test_every_served_model_has_a_route_of_its_own():
    """By its name, with all the traffic."""
    assert table(targets("a", "b")) == {"a": [("a", 100)], "b": [("b", 100)]}


def test_experiment_takes_over_its_default():
    """The default's endpoint and the experiment's own carry the candidates, sorted by model."""
    split = experiment("ab", {"b": 70, "a": 30}, default="b")
    shared = [("a", 30), ("b", 70)]
    assert table(targets("a", "b"), split) == {"a": [("a", 100)], "b": shared, "ab.experiment": shared}


def test_experiment_without_a_default_takes_over_nothing():
    """It answers under its own name only."""
    assert table(targets("a", "b"), experiment("ab", {"a": 1, "b": 1}))["a"] == [("a", 100)]


def test_candidate_of_weight_zero_gets_nothing():
    """It is a candidate by name only."""
    assert table(targets("a", "b"), experiment("ab", {"a": 1, "b": 0}))["ab.experiment"] == [("a", 1)]


def test_candidate_nobody_serves_leaves_the_others():
    """The rest share by their weights."""
    assert table(targets("a"), experiment("ab", {"a": 1, "b": 3}, default="a"))["a"] == [("a", 1)]


def test_experiment_without_any_served_candidate_has_no_route():
    """Its default keeps what it has."""
    split = experiment("ab", {"b": 1, "c": 3}, default="a")
    assert table(targets("a"), split) == {"a": [("a", 100)]}


def test_strict_experiment_needs_all():
    """With the annotation a missing candidate or mirror makes it inactive."""
    strict = {"annotations": {"moorage.dev/experiment": "strict"}}
    split = experiment("ab", {"a": 1, "b": 1}, default="a", **strict)
    mirrored = experiment("am", {"a": 1}, default="a", mirror={"name": "m", "percent": 5}, **strict)
    assert table(targets("a"), split) == table(targets("a"), mirrored) == {"a": [("a", 100)]}
    assert table(targets("a", "b"), split)["a"] == [("a", 1), ("b", 1)]


def test_mirror_gets_its_share_and_no_weight():
    """A mirror is no target."""
    split = experiment("ab", {"a": 1}, default="a", mirror={"name": "m", "percent": 5})
    (route,) = (r for r in routes(targets("a", "m"), [split]) if r.name == "a")
    assert [w.target.model for w in route.targets] == ["a"]
    assert (route.mirror.target.model, route.mirror.percent) == ("m", 5)


def test_two_experiments_on_one_default():
    """The first by name has it; the other answers under its own name."""
    one, two = experiment("one", {"b": 1}, default="a"), experiment("two", {"c": 1}, default="a")
    shown = table(targets("a", "b", "c"), two, one)
    assert shown["a"] == [("b", 1)]
    assert shown["two.experiment"] == [("c", 1)]


def test_pipeline_experiments_shape_no_route():
    """They have no engine here."""
    split = experiment("ab", {"a": 1}, default="a", resourceType="pipeline")
    assert table(targets("a"), split) == {"a": [("a", 100)]}


def test_namespaces_do_not_mix():
    """A candidate is looked for in the experiment's own namespace."""
    elsewhere = {("other", "b"): Target("b", "v1", (ReplicaId("other", "mlserver", 0),))}
    split = experiment("ab", {"a": 1, "b": 1}, default="a")
    assert table({**targets("a"), **elsewhere}, split)["ab.experiment"] == [("a", 1)]


def test_known_routes_are_given_back():
    """A route that says the same is the same object, so that comparing costs nothing."""
    known = routes(targets("a", "b"), [])
    again = routes(targets("a", "b"), [], known)
    assert all(one is two for one, two in zip(known, again, strict=True))
