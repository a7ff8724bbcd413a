"""Resources of every kind, and JSON that is nearly a manifest."""

from hypothesis import strategies as st

from schemas.resource import KINDS, Origin, Resource, key
from schemas.specs import (
    Batch,
    Candidate,
    Dataflow,
    ExperimentSpec,
    Explainer,
    Llm,
    Logger,
    Mirror,
    ModelSpec,
    Parameter,
    PipelineInput,
    PipelineOutput,
    PipelineSpec,
    PipelineStep,
    SeldonConfigSpec,
    SeldonRuntimeSpec,
    ServerConfigSpec,
    ServerSpec,
)

# Scalars that YAML readers like to disagree on are strings here all the same.
TRICKY = (
    "yes",
    "n",
    "0777",
    "1_000",
    "1:30",
    "2024-01-01",
    "null",
    "~",
    "1e3",
    ".5",
    "=",
    "<<",
    "- a",
    "",
    "é",
)
TEXT = st.one_of(
    st.sampled_from(TRICKY), st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")))
)
FILLED = TEXT.filter(bool)
NAME = st.sampled_from(("iris", "wine", "a-b", "x1"))
MAPS = st.dictionaries(FILLED, TEXT, max_size=3)
INT32 = st.integers(-(2**31), 2**31 - 1)
COUNT = st.integers(0, 5)

OPEN = st.dictionaries(
    FILLED, st.recursive(st.none() | st.booleans() | INT32 | TEXT, lambda inner: st.lists(inner, max_size=3))
)


def _maybe(strategy):
    return st.none() | strategy


_pair = st.one_of(
    st.builds(dict, model_ref=_maybe(NAME)),
    st.builds(dict, pipeline_ref=NAME),
)
_scaling = st.one_of(
    st.just({}),
    st.builds(lambda low, more, most: {"min_replicas": low, "replicas": low + more, "max_replicas": low + more + most},
              st.integers(1, 4), COUNT, COUNT),
)  # fmt: skip
_model_fields = st.fixed_dictionaries(
    {"storage_uri": FILLED},
    optional={
        "artifact_version": _maybe(INT32),
        "model_type": _maybe(TEXT),
        "schema_uri": _maybe(TEXT),
        "secret_name": _maybe(TEXT),
        "requirements": st.lists(FILLED, max_size=3).map(tuple),
        "memory": _maybe(st.integers(0, 2**63 - 1)),
        "server": _maybe(NAME),
        "preloaded": st.booleans(),
        "dedicated": st.booleans(),
        "logger": _maybe(st.builds(Logger, st.integers(0, 100))),
        "parameters": st.lists(st.builds(Parameter, TEXT, TEXT), max_size=3).map(tuple),
        "dataflow": st.builds(Dataflow, st.booleans()),
    },
)
_exclusive = st.one_of(
    st.just({}),
    st.tuples(_pair, TEXT).map(lambda drawn: {"explainer": Explainer(type_=drawn[1], **drawn[0])}),
    _pair.map(lambda drawn: {"llm": Llm(**drawn)}),
)
MODELS = st.tuples(_model_fields, _scaling, _exclusive).map(
    lambda drawn: ModelSpec(**drawn[0], **drawn[1], **drawn[2])
)
SERVERS = st.tuples(
    st.fixed_dictionaries(
        {"server_config": FILLED},
        optional={
            "capabilities": st.lists(FILLED, max_size=3).map(tuple),
            "pod_spec": _maybe(OPEN),
            "stateful_set_persistent_volume_claim_retention_policy": _maybe(OPEN),
            "deployment_strategy": _maybe(OPEN),
            "image_overrides": _maybe(st.fixed_dictionaries({}, optional={"agent": OPEN})),
            "disable_auto_update": st.booleans(),
        },
    ),
    _scaling,
).map(lambda drawn: ServerSpec(**drawn[0], **drawn[1]))
SERVER_CONFIGS = st.builds(
    ServerConfigSpec,
    pod_spec=OPEN.map(lambda drawn: {**drawn, "containers": [{"name": "mlserver"}]}),
    volume_claim_templates=st.lists(
        st.builds(lambda name, spec: {"name": name, "spec": spec}, TEXT, OPEN), max_size=2
    ).map(tuple),
)
_join = st.sampled_from(("inner", "outer", "any"))
_window = _maybe(st.integers(0, 2**32 - 1))


@st.composite
def _pipelines(draw):
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True))
    steps = []
    for place, name in enumerate(names):
        earlier = [f"{other}.outputs.T{place}" for other in names[:place]]
        inputs = draw(st.lists(st.sampled_from([*earlier, "flow.inputs"]), max_size=2, unique=True))
        triggers = [text for text in earlier if text not in inputs][: draw(COUNT)]
        steps.append(
            PipelineStep(
                name,
                tuple(inputs),
                draw(_window),
                draw(MAPS),
                tuple(triggers),
                draw(_join),
                draw(_maybe(_join)),
                draw(_maybe(st.builds(Batch, _maybe(COUNT), _maybe(COUNT), st.booleans()))),
            )
        )
    externals = st.sampled_from(("other", "other.inputs.T", "other.step.a.outputs"))
    return PipelineSpec(
        tuple(steps),
        draw(
            _maybe(
                st.builds(
                    PipelineInput,
                    st.lists(externals, min_size=1, max_size=2).map(tuple),
                    st.lists(externals, max_size=2).map(tuple),
                    _window,
                    _join,
                    _join,
                    MAPS,
                )
            )
        ),
        draw(_maybe(st.builds(PipelineOutput, st.just((names[0],)), st.integers(0, 9), _join, MAPS))),
        draw(st.builds(Dataflow, st.booleans())),
        draw(st.booleans()),
        draw(COUNT),
    )


EXPERIMENTS = st.builds(
    lambda names, weights, mirror, default, kind: ExperimentSpec(
        tuple(Candidate(name, weight) for name, weight in zip(names, weights, strict=False)),
        names[0] if default else None,
        mirror,
        kind,
    ),
    st.lists(NAME, min_size=1, max_size=4, unique=True),
    st.lists(st.integers(1, 100), min_size=4, max_size=4),
    _maybe(st.builds(Mirror, st.just("mirrored"), st.integers(0, 100))),
    st.booleans(),
    st.sampled_from(("model", "pipeline")),
)
_components = st.lists(st.builds(lambda name: {"name": name, "replicas": 1}, FILLED), max_size=2).map(tuple)
_config = st.sampled_from(
    ({}, {"kafkaConfig": {"bootstrap.servers": "kafka:9092", "consumer": {"a": 1, "b": "x"}}})
)
SPECS = {
    "Experiment": EXPERIMENTS,
    "Model": MODELS,
    "Pipeline": _pipelines(),
    "SeldonConfig": st.builds(SeldonConfigSpec, _components, _config),
    "SeldonRuntime": st.builds(SeldonRuntimeSpec, FILLED, _components, _config, st.booleans()),
    "Server": SERVERS,
    "ServerConfig": SERVER_CONFIGS,
}


@st.composite
def resources(draw, kinds=KINDS):
    """A valid resource of one of ``kinds``; the pipelines are called ``flow``."""
    kind = draw(st.sampled_from(kinds))
    name = "flow" if kind == "Pipeline" else draw(NAME)
    return Resource(
        key(kind, draw(NAME), name),
        draw(SPECS[kind]),
        Origin("git", "file.yaml", 1, 1),
        draw(MAPS),
        draw(MAPS),
    )


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from((2**63, -(2**64), 10**30, 0.5, 2.0, 1e20, 1e300))
    | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FILLED, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def near_manifests(draw, valid):
    """The manifest ``valid`` with one place exchanged, removed or added."""
    changed = valid
    around = changed
    while True:
        steps = list(around) if isinstance(around, dict) else list(range(len(around)))
        if not steps:
            break
        step = draw(st.sampled_from(steps))
        if isinstance(around[step], dict | list) and draw(st.booleans()):
            around = around[step]
            continue
        match draw(st.sampled_from(("exchange", "remove", "add"))):
            case "exchange":
                around[step] = draw(_json)
            case "remove":
                del around[step]
            case "add" if isinstance(around, dict):
                around[draw(st.sampled_from(("extra", "replica", "storageURI")))] = draw(_json)
        break
    return changed
