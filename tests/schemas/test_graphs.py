"""References between steps, and the cycles they may close."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cycles import MOST_REPORTED, cycles
from schemas.references import ExternalReference, StepReference, external_reference, step_reference
from tests.schemas.loading import HEADER, codes, load, model

NAMES = st.sampled_from("abcdef")
GRAPHS = st.dictionaries(NAMES, st.lists(NAMES, max_size=3))


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("iris", StepReference("iris", "outputs")),
        ("iris.outputs", StepReference("iris", "outputs")),
        ("iris.outputs.T", StepReference("iris", "outputs", "T")),
        ("iris.inputs.T", StepReference("iris", "inputs", "T")),
        ("flow", StepReference("flow", "inputs")),
        ("flow.inputs.T", StepReference("flow", "inputs", "T")),
        ("flow.outputs", None),
        ("iris.T", None),
        ("iris.outputs.T.x", None),
        ("iris..T", None),
        (".", None),
        ("", None),
    ],
)
def test_a_short_reference_means_the_long_one(text, reference):
    """``step`` is its outputs; the pipeline's own name is its inputs."""
    assert step_reference(text, "flow") == reference


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("p", ExternalReference("p", "", "outputs")),
        ("p.inputs", ExternalReference("p", "", "inputs")),
        ("p.outputs.T", ExternalReference("p", "", "outputs", "T")),
        ("p.step.s", ExternalReference("p", "s", "outputs")),
        ("p.step.s.inputs.T", ExternalReference("p", "s", "inputs", "T")),
    ],
)
def test_an_external_reference_names_a_pipeline_or_its_step(text, reference):
    """All five forms."""
    assert external_reference(text) == reference


def _closed(graph, cycle):
    return all(after in graph[name] for name, after in zip(cycle, (*cycle[1:], cycle[0]), strict=True))


@given(GRAPHS)
def test_a_cycle_that_is_told_is_one(graph):
    """Each member needs the next one, and the smallest name comes first."""
    for cycle in cycles(graph):
        assert _closed(graph, cycle)
        assert cycle[0] == min(cycle)


@given(GRAPHS)
def test_no_cycle_is_told_exactly_where_everything_can_be_ordered(graph):
    """Removing what has no needs left removes all, or a cycle is told."""
    rest = {name: {need for need in needs if need in graph} for name, needs in graph.items()}
    while free := [name for name, needs in rest.items() if not needs & rest.keys()]:
        for name in free:
            del rest[name]

    assert bool(rest) == bool(cycles(graph))


@given(GRAPHS, st.randoms())
def test_cycles_do_not_depend_on_the_order_of_the_graph(graph, random):
    """A pipeline's steps may stand in any order."""
    items = list(graph.items())
    random.shuffle(items)

    assert cycles(dict(items)) == cycles(graph)


def test_the_number_of_cycles_that_are_told_is_bounded():
    """Each of them costs a pass over the graph."""
    assert len(cycles({str(number): [str(number)] for number in range(1000)})) == MOST_REPORTED


def test_a_long_pipeline_needs_no_recursion():
    """Ten thousand steps in a row."""
    steps = "".join(f"  - {{name: s{n}, inputs: [{f's{n - 1}' if n else 'flow'}]}}\n" for n in range(10_000))
    loaded = load(f"{HEADER}kind: Pipeline\nmetadata: {{name: flow}}\nspec:\n  steps:\n{steps}")

    assert set(codes(loaded)) == {"UnknownReference"}
    assert len(loaded.resources) == 1


# After the pipelines of the reference's own examples.
ACCEPTED = {
    "chain": "  steps: [{name: a}, {name: b, inputs: [a.outputs], tensorMap: {a.outputs.OUTPUT0: INPUT0}}]\n  output: {steps: [b]}\n",
    "input": "  steps: [{name: a}, {name: b, inputs: [a.inputs.INPUT0, a.outputs.OUTPUT1]}]\n  output: {steps: [b]}\n",
    "own-inputs": "  steps: [{name: a, inputs: [flow.inputs.INPUT0]}, {name: b, inputs: [flow.inputs.INPUT1]}]\n  output: {steps: [a, b], stepsJoin: any}\n",
    "triggers": "  steps: [{name: a}, {name: b, inputs: [a.inputs.INPUT], triggers: [a.outputs.ok1, a.outputs.ok2], triggersJoinType: any}]\n",
    "batch": "  steps: [{name: a, batch: {size: 20}}]\n",
    "loop": "  allowCycles: true\n  maxStepRevisits: 100\n  steps:\n  - {name: a, inputsJoinType: any, inputs: [flow.inputs, b.outputs]}\n  - {name: b, inputs: [a.outputs.output], triggers: [a.outputs.continue], joinWindowMs: 1}\n  output: {steps: [a.outputs]}\n",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_pipeline_of_the_known_shapes_is_accepted(name):
    """Chains, joins, conditions, batches and permitted cycles."""
    pipeline = f"{HEADER}kind: Pipeline\nmetadata: {{name: flow}}\nspec:\n{ACCEPTED[name]}"

    assert codes(load(pipeline, model("a"), model("b"))) == []
