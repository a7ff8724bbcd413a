"""What a preview says of a merge: its verdict, who is interrupted, and what the merge adds to what waits."""

from reconciler.planning.planner import plan
from reconciler.preview.comparison import compare
from reconciler.preview.preview import Preview, ServingChange
from runtime.state import LiveState
from schemas.problem import Problem
from tests.preview.stories import COMMITS, TIMEOUTS, at_rest, preview, side
from tests.reconciler.world import POLICY, desired, experiment, model, server

RECREATE = {"moorage.dev/update-strategy": "Recreate"}


def serving(made: Preview, name: str) -> ServingChange:
    (found,) = [c for each in made.applications for c in each.serving if c.key.name == name]
    return found


def test_the_same_on_both_sides_is_no_change():
    """Nothing is added by a merge of the same manifests."""
    base = [server(), model("a")]
    assert preview(base, base).verdict == "NoChange"


def test_a_further_model_is_safe():
    """What serves is not touched."""
    base = [server(), model("a")]
    made = preview(base, [*base, model("b")])
    assert (made.verdict, serving(made, "b").verb) == ("Safe", "Added")


def test_a_new_version_changes_serving_without_interruption():
    """The new one is loaded and routed before the old one goes."""
    base = [server(), model("a", memory="100M")]
    made = preview(base, [server(), model("a", memory="200M")])
    assert made.verdict == "ChangesServing"
    assert (serving(made, "a").verb, serving(made, "a").interruption.kind) == ("NewVersion", "None")


def test_a_recreated_model_is_interrupted_for_a_bounded_time():
    """Its old version is unloaded first; the runtime's timeouts bound the pause."""
    base = [server(memory="1G"), model("a", memory="800M", annotations=RECREATE)]
    made = preview(base, [server(memory="1G"), model("a", memory="900M", annotations=RECREATE)])
    found = serving(made, "a").interruption
    assert (made.verdict, found.kind, found.seconds) == ("InterruptsServing", "Bounded", 8102)


def test_a_deleted_model_ends():
    """That is meant, so it is no failure of the merge."""
    base = [server(), model("a"), model("b")]
    made = preview(base, [server(), model("a")])
    assert (made.verdict, serving(made, "b").interruption.kind) == ("ChangesServing", "Ends")


def test_a_model_that_loses_its_server_stops_serving():
    """It is wanted still and nothing answers for it: the worst that valid manifests can do."""
    base = [server(), model("a")]
    made = preview(base, [model("a")])
    assert (made.verdict, serving(made, "a").interruption.kind) == ("StopsServing", "Stops")


def test_a_model_without_room_cannot_be_placed():
    """The failure is the merge's, with the cheapest remedy among the needs."""
    base = [server(memory="1G"), model("a", memory="800M")]
    made = preview(base, [*base, model("b", memory="800M")])
    assert made.verdict == "CannotBePlaced"
    assert [f.key.name for f in made.applications[0].failures] == ["b"]
    assert made.needs == ("would fit with 1 more replica of server mlserver",)


def test_an_upgrade_without_room_keeps_serving_the_old_version():
    """It cannot be placed, and what answers goes on."""
    base = [server(memory="1G"), model("a", memory="800M")]
    made = preview(base, [server(memory="1G"), model("a", memory="900M")])
    found = serving(made, "a")
    assert (made.verdict, found.verb, found.interruption.kind) == ("CannotBePlaced", "Unplaced", "None")
    assert found.before == found.after


def test_a_failure_of_the_base_is_none_of_the_merge():
    """What finds no place already stands apart, and does not make the verdict worse."""
    base = [server(memory="1G"), model("a", memory="900M"), model("b", memory="900M")]
    made = preview(base, [*base, model("c", memory="10M")])
    (app,) = made.applications
    assert (made.verdict, app.failures) == ("Safe", ())
    assert [f.key.name for f in app.waiting_failures] == ["b"]


def test_a_failure_that_the_merge_takes_away_is_mended():
    """More room for what waited."""
    base = [server(memory="1G"), model("a", memory="900M"), model("b", memory="900M")]
    made = preview(base, [server(memory="1G", replicas=2), *base[1:]])
    assert [f.key.name for f in made.applications[0].mended] == ["b"]
    assert serving(made, "b").verb == "Placed"


def test_what_waits_on_the_base_is_told_apart():
    """A base that is not synced yet adds nothing to the verdict of the merge; the plan does both."""
    old = [server(), model("a", memory="100M")]
    base = [server(), model("a", memory="200M")]
    made = preview(base, [*base, model("b")], live=at_rest(("app", old)))
    assert made.verdict == "Safe"
    assert (serving(made, "a").waiting, serving(made, "b").waiting) == (True, False)
    assert made.applications[0].waits
    assert {load.model for load in made.applications[0].plan.loads} == {"a", "b"}


def test_the_plan_of_a_preview_is_the_plan_of_a_sync():
    """Same digest, same basis, as long as live state and policy are what they were."""
    base, head = [server(), model("a")], [server(), model("a"), model("b")]
    live = at_rest(("app", base))
    made = preview(base, head, live)
    synced = plan(desired(*head), live, POLICY, "NewRevision")
    found = made.applications[0].plan
    assert (found.digest, found.basis) == (synced.digest, synced.basis)


def test_a_change_that_is_live_already_is_said_to_be_so():
    """Somebody applied it by hand, or it is reverted to what runs."""
    base, head = [server(), model("a")], [server(), model("a", memory="1M")]
    made = preview(base, head, live=at_rest(("app", head)))
    (change,) = made.applications[0].changes
    assert (change.effect, made.verdict) == ("AlreadySo", "NoChange")


def test_a_held_change_says_what_holds_it():
    """A delete that waits for a person is not shown as if it happened."""
    many = [model(name) for name in "abcdefgh"]
    base, head = [server(), *many], [server()]
    policy = POLICY.__class__(server_configs=POLICY.server_configs)
    made = compare(COMMITS, [side("app", base, head, policy)], at_rest(("app", base)), TIMEOUTS)
    effects = {(change.effect, change.reason) for change in made.applications[0].changes}
    assert effects == {("Held", "PruneThreshold")}


def test_a_manifest_that_becomes_wrong_is_no_delete():
    """Its problem is told, its resource is not listed as deleted, and the verdict is the worst."""
    base = [server(), model("a")]
    problem = Problem("error", "UnknownField", "models/a.yaml", 1, 1, "Model", "default", "a", "", "x")
    made = preview(base, [server()], problems=(problem,), invalid=(model("a").key,))
    (app,) = made.applications
    assert (made.verdict, app.problems, app.changes) == ("InvalidManifests", (problem,), ())


def test_a_problem_of_the_base_is_only_counted():
    """Wherever in its file it stands now."""
    problem = Problem("error", "UnknownField", "models/a.yaml", 1, 1, "Model", "default", "a", "", "x")
    moved = Problem("error", "UnknownField", "models/a.yaml", 9, 1, "Model", "default", "a", "", "x")
    base = desired(server(), problems=(problem,))
    head = desired(server(), model("b"), problems=(moved,))
    found = side("app", [], [])
    made = compare(COMMITS, [found.__class__(base, head, POLICY)], at_rest(("app", [server()])), TIMEOUTS)
    assert (made.applications[0].problems, made.applications[0].waiting_problems) == ((), 1)


def test_applications_of_one_pull_request_are_planned_in_order():
    """The second one finds what the first one leaves: here the server that it declares."""
    sides = [side("infra", [], [server()]), side("team", [], [model("a")])]
    made = compare(COMMITS, sides, LiveState(environments=at_rest().environments), TIMEOUTS)
    infra, team = made.applications
    assert infra.serving == ()
    assert (made.verdict, [c.verb for c in team.serving], team.failures) == ("Safe", ["Added"], ())


def test_a_later_application_may_mend_what_fails_before_it():
    """A failure counts where it is left in the end."""
    sides = [side("a-team", [], [model("a")]), side("infra", [], [server()])]
    made = compare(COMMITS, sides, LiveState(environments=at_rest().environments), TIMEOUTS)
    assert [each.failures for each in made.applications] == [(), ()]


def test_models_of_others_are_told_with_their_owner():
    """A pull request that takes a server away says whom else that hits."""
    base = [server(), server("spare")]
    live = at_rest(("infra", base), ("team", [model("a", server="mlserver")]))
    made = compare(COMMITS, [side("infra", base, [server("spare")])], live, TIMEOUTS)
    found = serving(made, "a")
    assert (made.verdict, found.owner, found.interruption.kind) == ("StopsServing", "team", "Stops")


def test_a_server_replica_says_what_comes_goes_and_stays():
    """With its memory before and after."""
    base = [server(), model("a", memory="100M"), model("b", memory="50M")]
    made = preview(base, [server(), model("a", memory="100M"), model("c", memory="70M")])
    (found,) = made.replicas
    comes, goes, stays = ([m.model for m in part] for part in (found.comes, found.goes, found.stays))
    assert (comes, goes, stays) == (["c"], ["b"], ["a"])
    assert found.before is not None
    assert found.after is not None
    assert (found.before.used, found.after.used) == (150_000_000, 170_000_000)


def test_an_experiment_is_told_beside_its_models():
    """What it answers as, and that a model's own route changes with it."""
    base = [server(), model("a"), model("b")]
    made = preview(base, [*base, experiment("split", {"a": 50, "b": 50}, default="a")])
    assert (serving(made, "split").verb, serving(made, "a").verb) == ("Added", "Rerouted")


def test_secrets_of_a_changed_manifest_are_not_shown():
    """Only that they differ."""
    before = model("a", parameters=[{"name": "password", "value": "hunter2"}])
    after = model("a", parameters=[{"name": "password", "value": "hunter3"}])
    made = preview([server(), before], [server(), after])
    assert "hunter" not in repr(made)
