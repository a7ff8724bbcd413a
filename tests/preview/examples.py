"""Previews to look at, one per thing that a comment has to say; golden files are made of them."""

from collections.abc import Callable
from dataclasses import replace

from reconciler.preview.comparison import compare
from reconciler.preview.preview import Note, Preview
from schemas.problem import Problem
from schemas.resource import Resource
from tests.preview.stories import COMMITS, TIMEOUTS, at_rest, preview, side
from tests.reconciler.world import experiment, model, server

RECREATE = {"moorage.dev/update-strategy": "Recreate"}


def safe_addition() -> Preview:
    """One more model on a server that has room, and a replica that is not touched."""
    base = [server(memory="8Gi", replicas=2), model("iris", memory="2Gi", replicas=2)]
    return preview(base, [*base, model("wine", memory="1500Mi")])


def new_version() -> Preview:
    """A model gets a new version, another one leaves, and an experiment splits what is asked of the first."""
    base = [
        server(memory="4Gi", replicas=2),
        model("iris", memory="1Gi", replicas=2),
        model("pear", memory="512Mi"),
        model("wine", memory="700Mi"),
    ]
    head = [
        base[0],
        model("iris", memory="1200Mi", replicas=2, storageUri="gs://models/iris/2"),
        model("wine", memory="700Mi"),
        model("wine-next", memory="800Mi"),
        experiment("wine-split", {"wine": 80, "wine-next": 20}, default="wine"),
    ]
    return preview(base, head)


def cannot_be_placed() -> Preview:
    """Two find no place; one of them goes on with its old version."""
    base = [server(memory="2Gi"), model("iris", memory="1500Mi")]
    return preview(base, [base[0], model("iris", memory="1800Mi"), model("wine", memory="1Gi")])


def stops_serving() -> Preview:
    """The server goes, and the models on it are wanted still."""
    base = [
        server(memory="4Gi"),
        server("spare", memory="1Gi"),
        model("iris", memory="2Gi"),
        model("wine", memory="500Mi"),
    ]
    return preview(base, base[1:])


def interrupts() -> Preview:
    """A model of Recreate on a server without room for both versions."""
    base = [server(memory="2Gi"), model("iris", memory="1500Mi", annotations=RECREATE)]
    return preview(base, [base[0], model("iris", memory="1800Mi", annotations=RECREATE)])


def several_applications() -> Preview:
    """One declares more servers, another what runs on them, and a third one's model loses its place."""
    infra = [server(memory="2Gi"), server("old", memory="2Gi")]
    team = [model("iris", memory="1Gi")]
    live = at_rest(("infra", infra), ("team", team), ("finance", [model("risk", server="old")]))
    sides = [
        side("infra", infra, [server(memory="2Gi", replicas=2)]),
        side("team", team, [model("iris", memory="1Gi", replicas=2), model("wine", memory="800Mi")]),
    ]
    return compare(COMMITS, sides, live, TIMEOUTS)


def guests() -> Preview:
    """An application on the servers of another one: what it adds pushes a third one's model nowhere, but it finds
    no room itself."""
    infra = [server("gold", memory="2Gi", replicas=2), server("silver", memory="1Gi")]
    others = [model("risk", memory="1Gi", replicas=2)]
    team = [model("iris", memory="512Mi")]
    live = at_rest(("infra", infra), ("finance", others), ("team", team))
    notes = (Note("DependencyNotReady", "waits for application infra, which is Degraded"),)
    head = [model("iris", memory="600Mi"), model("wine", memory="3Gi"), model("pear", memory="100Mi")]
    return compare(COMMITS, [side("team", team, head, notes=notes)], live, TIMEOUTS)


def invalid_manifest() -> Preview:
    """A manifest became wrong; what it declared goes on as it was."""
    base = [server(memory="2Gi"), model("iris", memory="1Gi"), model("wine", memory="200Mi")]
    wrong = Problem(
        "error",
        "InvalidQuantity",
        "models/iris.yaml",
        9,
        11,
        "Model",
        "default",
        "iris",
        "spec.memory",
        "'1 Gib' is no quantity",
        "write 1Gi",
    )
    doubtful = replace(wrong, severity="warning", code="UnknownField", line=4, column=3, name="wine")
    return preview(
        base,
        [base[0], base[2]],
        problems=(
            wrong,
            replace(doubtful, file="models/wine.yaml", path="spec.memroy", message="is not known"),
        ),
        invalid=(base[1].key,),
    )


def waiting_base() -> Preview:
    """The base is not synced and has a failure of its own; the merge mends another one."""
    old = [server(memory="2Gi"), model("iris", memory="1Gi")]
    base = [*old[:1], model("iris", memory="1200Mi"), model("big", memory="4Gi"), model("pear", memory="1Gi")]
    head = [server(memory="2Gi", replicas=2), *base[1:], model("wine", memory="100Mi")]
    notes = (Note("Pinned", "stays at 1a2b3c4 until it is unpinned"),)
    live = at_rest(("app", old))
    return compare(COMMITS, [side("app", base, head, notes=notes)], live, TIMEOUTS)


def overcommitted() -> Preview:
    """More is used than a replica has, as its overcommit allows."""
    generous = _overcommitting(server(memory="2Gi", replicas=2))
    base = [generous, model("iris", memory="1700Mi", replicas=2)]
    return preview(base, [generous, base[1], model("wine", memory="600Mi"), model("pear", memory="50Mi")])


def no_change() -> Preview:
    """The same on both sides."""
    base = [server(), model("a")]
    return preview(base, base)


def large() -> Preview:
    """A thousand models change at once on two hundred server replicas."""
    servers = [server(f"pool-{number}", memory="8Gi", replicas=10) for number in range(20)]
    base = [model(f"model-{number:04}", memory="1Gi") for number in range(1000)]
    head = [
        model(f"model-{number:04}", memory="1Gi", storageUri=f"gs://models/{number}/2")
        for number in range(1000)
    ]
    return preview([*servers, *base], [*servers, *head])


def _overcommitting(resource: Resource) -> Resource:
    containers = resource.spec.pod_spec["containers"]  # type: ignore[union-attr]  # a server's
    containers[1]["env"][0]["value"] = "20"
    return resource


EXAMPLES: dict[str, Callable[[], Preview]] = {
    "safe-addition": safe_addition,
    "new-version": new_version,
    "cannot-be-placed": cannot_be_placed,
    "stops-serving": stops_serving,
    "interrupts": interrupts,
    "several-applications": several_applications,
    "guests": guests,
    "invalid-manifest": invalid_manifest,
    "waiting-base": waiting_base,
    "overcommitted": overcommitted,
    "no-change": no_change,
}
"""The small ones, by the name of their golden files."""
