"""Small worlds in which everything that matters to placement happens often."""

from hypothesis import strategies as st

from placement.demand import Demand
from placement.inventory import Inventory, LoadedModel, Server, ServerReplica

NAMESPACES = ("default", "default", "other")
MODELS = ("ant", "bee", "cat")
VERSIONS = ("v1", "v1", "v2")
MEMORY = st.integers(0, 12).map(lambda tens: tens * 10)
_STATES = ("Ready", "Ready", "Ready", "Pending", "Restarting", "Draining", "Lost")
_TAGS = ("sklearn", "gpu", "alibi-explain")

CAPACITIES = st.sampled_from(((), (), (("cpu", 1500),), (("cpu", 2000), ("gpu", 2000)), (("gpu", 3000),)))
RESOURCES = st.sampled_from(((), (), (), (("cpu", 500),), (("gpu", 1000),), (("cpu", 1000), ("gpu", 2000))))

_entries = st.builds(
    LoadedModel,
    model=st.sampled_from(MODELS),
    version=st.sampled_from(VERSIONS),
    memory=MEMORY,
    resources=RESOURCES,
    state=st.sampled_from(("Loaded", "Loaded", "Loading", "LoadFailed", "Unloading")),
)


def _identity(item: LoadedModel) -> tuple[str, str, str]:
    """A version may be listed twice in different states: an exported inventory is input like any other."""
    return item.model, item.version, item.state


@st.composite
def _replicas(draw: st.DrawFn) -> tuple[ServerReplica, ...]:
    indices = draw(st.lists(st.integers(0, 4), max_size=4, unique=True))
    return tuple(
        ServerReplica(
            index=index,
            state=draw(st.sampled_from(_STATES)),
            capabilities=tuple(sorted(draw(st.sets(st.sampled_from(_TAGS))) | {"sklearn"})),
            memory_capacity=draw(st.integers(0, 40).map(lambda tens: tens * 10)),
            overcommit_percent=draw(st.sampled_from((0, 10))),
            reserved=draw(st.sampled_from((0, 0, 10))),
            loaded=tuple(draw(st.lists(_entries, max_size=4, unique_by=_identity))),
            unlisted=draw(st.sampled_from((0, 0, 0, 20))),
            resources=draw(CAPACITIES),
            unlisted_resources=draw(st.sampled_from(((), (), (("cpu", 500),)))),
            instances=draw(st.sampled_from((1, 1, 1, 2, 3))),
        )
        for index in sorted(indices)
    )


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    """Up to four servers in two namespaces."""
    names = draw(
        st.lists(st.tuples(st.sampled_from(NAMESPACES), st.sampled_from("stuv")), max_size=4, unique=True)
    )
    return Inventory(
        tuple(
            Server(
                namespace=namespace,
                name=name,
                expected_replicas=draw(st.sampled_from((-1, 3, 3, 3, 0))),
                replicas=draw(_replicas()),
                shared=draw(st.sampled_from((True, True, True, False))),
            )
            for namespace, name in sorted(names)
        )
    )


_single_demands = st.builds(
    Demand,
    namespace=st.sampled_from(NAMESPACES),
    model=st.sampled_from(MODELS),
    version=st.sampled_from(VERSIONS),
    requirements=st.sampled_from(
        ((), ("sklearn",), (" sklearn ", "sklearn"), ("gpu",), ("sklearn", "gpu"), ("tpu",))
    ),
    memory=MEMORY,
    replicas=st.integers(0, 4),
    min_replicas=st.integers(0, 2),
    server=st.sampled_from((None, None, None, None, "s", "t", "nowhere")),
    explainer=st.sampled_from((False, False, False, True)),
    resources=RESOURCES,
)


def demands() -> st.SearchStrategy[list[Demand]]:
    """One version wanted of each of several models."""
    return st.lists(_single_demands, max_size=6, unique_by=lambda demand: (demand.namespace, demand.model))
