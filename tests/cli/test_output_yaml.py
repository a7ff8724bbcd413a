"""``-o yaml`` is read back as what it was, by Kubernetes' reading of YAML too, and is harmless to show."""

import yaml

from reconciler.cli.output import as_yaml


def test_text_that_looks_like_something_else_is_quoted(capsys):
    """``n`` and ``1e3`` stay text for readers that take them for a boolean and a number."""
    as_yaml({"labels": {"a": "n", "b": "1e3", "c": "yes"}})

    assert capsys.readouterr().out == "labels:\n  a: 'n'\n  b: '1e3'\n  c: 'yes'\n"


def test_what_is_not_ascii_is_escaped(capsys):
    """A text that would turn the terminal's writing direction is shown as its number."""
    as_yaml({"name": "a\u202eb", "other": "é"})

    written = capsys.readouterr().out
    assert written.isascii()
    assert yaml.safe_load(written) == {"name": "a\u202eb", "other": "é"}
