"""What annotations tell placement is read as Kubernetes would read it, within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError
from schemas.placement_annotations import MOST_RESOURCES, priority_of, recreates, resources_of

_GI = 1 << 30


def _resources(text: str) -> tuple[tuple[str, int], ...]:
    return resources_of({"moorage.dev/resources": text})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", ()),
        ("  ", ()),
        ("cpu=500m", (("cpu", 500),)),
        ("cpu=2", (("cpu", 2_000),)),
        ("cpu=0", ()),
        ("cpu=0.0001", (("cpu", 1),)),
        ("nvidia.com/gpu-memory=8Gi,cpu=1.5", (("cpu", 1_500), ("nvidia.com/gpu-memory", 8 * _GI * 1000))),
        (" cpu = 1 , gpu = 2k ", (("cpu", 1_000), ("gpu", 2_000_000))),
    ],
)
def test_resources_are_thousandths_sorted_by_name(text, named):
    """Blanks do not count, amounts of 0 are left out, a fraction of a thousandth is rounded up."""
    assert _resources(text) == named


@pytest.mark.parametrize(
    "text", ["cpu", "cpu=", "=1", "cpu=1,", "cpu=1=2", "c pu=1", "a/b/c=1", "cpu=-1", "cpu=1e999", "memory=1Gi",
             "cpu=1,cpu=1", "x" * 64 + "=1", ",".join(f"r{n}=1" for n in range(MOST_RESOURCES + 1)), "r=1," * 5000]
)  # fmt: skip
def test_what_names_no_resources_is_refused_in_few_words(text):
    """Within bounds, and the message is short whatever was written."""
    with pytest.raises(InputError) as refusal:
        _resources(text)

    assert refusal.value.reason == "InvalidResources"
    assert len(str(refusal.value)) < 300


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    """Never another error, and what is read is sorted, positive and within the bounds."""
    assert _answers(text)


def _answers(text: str) -> bool:
    try:
        named = _resources(text)
    except InputError as refusal:
        return refusal.reason == "InvalidResources" and refusal.message.isprintable()
    return named == tuple(sorted(named)) and all(amount > 0 for _, amount in named)


@pytest.mark.parametrize(("text", "priority"), [("10", 10), ("-1000", -1000), ("+1000", 1000), (" 0 ", 0)])
def test_a_priority_is_a_whole_number(text, priority):
    """From −1000 to 1000."""
    assert priority_of({"moorage.dev/priority": text}) == priority


@pytest.mark.parametrize("text", ["", "1001", "-1001", "1.5", "high", "1_0", "١", "9" * 9999])
def test_another_priority_is_refused(text):
    """What is no number within the bounds is nobody's guess."""
    with pytest.raises(InputError, match="InvalidPriority"):
        priority_of({"moorage.dev/priority": text})


@pytest.mark.parametrize(("text", "answer"), [("Rolling", False), ("Recreate", True)])
def test_only_recreate_lets_the_old_version_go_first(text, answer):
    """Two words, spelt as Kubernetes spells them."""
    assert recreates({"moorage.dev/update-strategy": text}) is answer


@pytest.mark.parametrize("text", ["", "recreate", "OnDelete"])
def test_another_update_strategy_is_refused(text):
    """There is no third one."""
    with pytest.raises(InputError, match="InvalidUpdateStrategy"):
        recreates({"moorage.dev/update-strategy": text})


def test_nothing_said_counts_as_nothing_asked():
    """No resources, priority 0, a rolling update."""
    assert (resources_of({}), priority_of({}), recreates({})) == ((), 0, False)
