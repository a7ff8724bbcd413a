"""Plain scalars mean what they mean to Kubernetes."""

import math
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.document import parse
from schemas.scalars import plain_scalar
from schemas.writing import yaml_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("n", False),
        ("Off", False),
        ("tRue", "tRue"),
        ("~", None),
        ("", None),
        ("Null", None),
        ("0777", 0o777),
        ("0o17", 0o17),
        ("0x1F", 31),
        ("-0b11", -3),
        ("08", 8),
        ("1_000", 1000),
        ("1e3", 1000),
        ("2.0", 2),
        (".5", 0.5),
        ("-1.5e-3", -0.0015),
        ("+7", 7),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("-", "-"),
        ("0x", "0x"),
        ("100Ki", "100Ki"),
        (".1_0", ".1_0"),
        ("-.INF", -math.inf),
    ],
)
def test_a_plain_scalar_means_what_kubernetes_reads(text, value):
    """Booleans, octal, hexadecimal, binary, underscores and floats follow its YAML library."""
    read = plain_scalar(text)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", ["yes", "0777", "1_000", "null", "2.0", "1e3", "n"])
def test_a_quoted_scalar_is_a_string(text):
    """Quotes settle it."""
    (document,) = parse(f"- '{text}'\n- \"{text}\"\n- !!str {text}\n".encode()).documents

    assert document.value == [text, text, text]


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=6))
def test_only_numbers_words_and_nothing_are_not_strings(text):
    """Whatever PyYAML's 1.1 reader takes for a string stays one, but for the words and numbers that
    only Kubernetes knows."""
    known_to_kubernetes = re.fullmatch(
        r"[yYnN]|[-+]?[0-9.][0-9_.]*([eE][-+]?[0-9_]+)?_*|[-+]?0o[0-7_]+", text
    )
    try:
        by_pyyaml = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return
    if isinstance(by_pyyaml, str) and by_pyyaml == text and not known_to_kubernetes:
        assert plain_scalar(text) == text


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)))  # fmt: skip
def test_what_is_written_reads_back_as_it_was(value):
    """Text that looks like something else is quoted when it is written."""
    documents = parse(yaml_text({"value": value}).encode()).documents

    assert [document.value for document in documents] == [{"value": value}]
