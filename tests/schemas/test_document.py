"""Bytes become documents that know where everything stands, within bounds, and never an exception."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.bounds import MAX_DEPTH
from schemas.document import parse
from schemas.load import combine, read_file
from tests.schemas.loading import HEADER, model, reading

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
)


def test_places_run_through_the_documents_of_a_file():
    """Line and column count from 1 and from the start of the file."""
    documents = parse(b"a: 1\n---\n# comment\n\nb:\n  - c: [x, y]\n").documents

    assert [document.place for document in documents] == [(1, 1), (5, 1)]
    assert documents[1].find(("b", 0, "c", 1)) == (6, 12)
    assert documents[1].find(("b", 0, "c"), key=True) == (6, 5)


def test_the_place_of_what_is_missing_is_that_of_what_surrounds_it():
    """A missing field is pointed at where it would belong."""
    (document,) = parse(b"a:\n  b: 1\n").documents

    assert document.find(("a", "missing", "deeper")) == (2, 3)


def test_columns_count_characters():
    """A letter with an accent is one column."""
    (document,) = parse("é: {ü: 1}\n".encode()).documents

    assert document.find(("é", "ü")) == (1, 8)


def test_a_byte_order_mark_is_not_part_of_the_text():
    """Some editors write one."""
    (document,) = parse(b"\xef\xbb\xbfa: 1\n").documents

    assert document.value == {"a": 1}


def test_documents_before_a_mistake_are_still_read():
    """A syntax error hides what follows, not what precedes."""
    result = reading(model("iris") + "---\nkind: [\n---\n" + model("wine"))

    assert [resource.key.name for resource in result.resources] == ["iris"]
    assert result.unreadable


def test_empty_documents_are_no_documents():
    """Separators and comments alone mean nothing."""
    assert parse(b"---\n---\n# nothing\n---\n").documents == ()


def test_aliases_and_merges_are_expanded_within_bounds():
    """Ordinary use of anchors works; what is written in an object wins over what is merged."""
    (document,) = parse(b"base: &b {x: 1, z: 2}\nuse: {<<: *b, z: 3}\nlist: [*b, *b]\n").documents

    assert document.value["use"] == {"x": 1, "z": 3}
    assert document.value["list"] == [{"x": 1, "z": 2}] * 2
    assert document.faults == ()


@pytest.mark.parametrize("opening", ["[", "- ", '{"a": ', "? "])
def test_depth_is_refused_before_anything_recurses(opening):
    """However deep the nesting, reading takes little and never overflows a stack."""
    parsed = parse((opening * 200_000).encode())

    assert parsed.documents == ()
    assert [fault.code for fault in parsed.faults] in (["DocumentTooDeep"], ["YamlSyntax"])


def test_deep_indentation_is_refused():
    """Nesting by indentation counts like brackets."""
    text = "".join(" " * depth + "a:\n" for depth in range(MAX_DEPTH + 2))

    assert [fault.code for fault in parse(text.encode()).faults] == ["DocumentTooDeep"]


def test_anchors_cannot_hide_depth():
    """A chain of aliases is as deep as what it stands for."""
    text = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 500))
    (document,) = parse(text.encode()).documents

    assert [fault.code for fault in document.faults] == ["AliasExpansion"]


def test_a_json_file_may_hold_tabs_and_surrogate_pairs():
    """Valid JSON that is no valid YAML 1.1 is read all the same."""
    (document,) = parse(
        rb'{"a":' + b"\t" + rb'"\ud83d\ude00", "b": "\\ud83d", "c": "x\/y"}', json=True
    ).documents

    assert document.value == {"a": "😀", "b": "\\ud83d", "c": "x/y"}


@given(VALUES)
def test_json_reads_as_json_does(value):
    """A file named ``*.json`` holds what any JSON reader finds in it (names up to 1,024 characters)."""
    documents = parse(json.dumps([value]).encode(), json=True).documents

    assert [document.value for document in documents] == [[value]]


@given(st.binary(max_size=200) | st.text(alphabet="a:-[]{}&*!<?|>'\"#%\n \t0", max_size=80).map(str.encode))
def test_no_bytes_raise(data):
    """Whatever is in a file, the answer is a reading."""
    result = read_file("file.yaml", data, "default")

    assert result.resources == ()
    combine([result])


@given(st.text(alphabet="abn01:-[]{}&*,'\" \n", max_size=40))
def test_structure_is_judged_as_pyyaml_judges_it(text):
    """Where PyYAML reads lists and objects, so do we, with the same number of items."""
    try:
        expected = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError):
        return
    parsed = parse(text.encode())
    if any(document.faults for document in parsed.documents):
        return

    shapes = [type(value) for value in expected if isinstance(value, dict | list)]
    assert parsed.faults == ()
    assert [type(d.value) for d in parsed.documents if isinstance(d.value, dict | list)] == shapes


def test_the_column_of_a_duplicate_is_that_of_the_second_name():
    """The message says where the first one is."""
    (problem,) = reading(HEADER + "kind: Model\nmetadata: {name: a, name: b}\n").problems

    assert (problem.code, problem.line, problem.column) == ("DuplicateField", 3, 21)
