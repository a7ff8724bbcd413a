"""Revisions of every shape, for property tests."""

from hypothesis import strategies as st

from placement.policy import REFERENCE, Policy
from schemas.placement_annotations import (
    PRIORITY_ANNOTATION,
    RESOURCES_ANNOTATION,
    UPDATE_STRATEGY_ANNOTATION,
)
from schemas.resource import Resource
from tests.reconciler.world import experiment, model, server

MODELS = ("a", "b", "c", "d")
SERVERS = ("s1", "s2")
POLICIES = (REFERENCE, *(Policy("pack", 50, moves) for moves in range(3)))
MEMORY = ("100M", "200M", "400M", "500M", "600M", "900M")


@st.composite
def wishes(draw) -> dict[str, str]:
    """What annotations say to placement; mostly nothing."""
    said = {}
    if draw(st.integers(0, 2)) == 0:
        said[UPDATE_STRATEGY_ANNOTATION] = "Recreate"
    if draw(st.integers(0, 3)) == 0:
        said[RESOURCES_ANNOTATION] = f"gpu={draw(st.integers(1, 3))}"
    if draw(st.integers(0, 3)) == 0:
        said[PRIORITY_ANNOTATION] = str(draw(st.integers(-1, 1)))
    return said


@st.composite
def models(draw) -> list[Resource]:
    """Some models, of any size, version, replica count and pin."""
    chosen = []
    for name in draw(st.sets(st.sampled_from(MODELS))):
        replicas = draw(st.integers(0, 3))
        spec = {
            "storageUri": f"gs://{name}/{draw(st.integers(1, 2))}",
            "memory": draw(st.sampled_from(MEMORY)),
            "replicas": replicas,
        }
        if replicas and draw(st.booleans()):
            spec["minReplicas"] = draw(st.integers(1, replicas))
        if draw(st.integers(0, 4)) == 0:
            spec["server"] = draw(st.sampled_from(SERVERS))
        spec["annotations"] = draw(wishes())
        chosen.append(model(name, **spec))
    return chosen


@st.composite
def revisions(draw) -> list[Resource]:
    """Everything one revision declares."""
    servers = [
        server(
            name,
            replicas=draw(st.integers(0, 3)),
            memory=draw(st.sampled_from(("1G", "500M"))),
            workers=draw(st.sampled_from((1, 1, 2))),
            annotations=draw(st.sampled_from(({}, {RESOURCES_ANNOTATION: "gpu=4"}))),
        )
        for name in draw(st.sets(st.sampled_from(SERVERS), min_size=1))
    ]
    declared = draw(models())
    if len(declared) >= 2 and draw(st.booleans()):
        weights = {r.key.name: draw(st.integers(1, 9)) for r in declared[:2]}
        facts = {"default": declared[0].key.name}
        if draw(st.booleans()):
            facts["mirror"] = {"name": declared[-1].key.name, "percent": 50}
        declared.append(experiment("exp", weights, **facts))
    return [*servers, *declared]


@st.composite
def full_revisions(draw) -> list[Resource]:
    """Revisions on servers that hardly hold them: what one model leaves, another waits for."""
    declared = []
    for name in (*MODELS, "e", "f"):
        replicas = draw(st.integers(0, 3))
        if not replicas:
            continue
        spec = {
            "storageUri": f"gs://{name}/{draw(st.integers(1, 2))}",
            "memory": draw(st.sampled_from(MEMORY)),
        }
        spec["annotations"] = draw(wishes())
        declared.append(model(name, replicas=replicas, minReplicas=draw(st.integers(0, replicas)), **spec))
    if len(declared) >= 2 and draw(st.booleans()):
        weights = {r.key.name: 1 for r in draw(st.permutations(declared))[:2]}
        declared.append(experiment("exp", weights, default=min(weights)))
    has = {RESOURCES_ANNOTATION: "gpu=4"}
    return [server("s1", replicas=2, annotations=has), server("s2", replicas=3), *declared]
