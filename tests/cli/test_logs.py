"""Log lines: JSON off a terminal, readable and harmless on one."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from reconciler.cli.logs import configure_logs


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Logging belongs to the whole process: give it back."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def logged(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is written for a line of ours and one of a library's."""
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs()
    structlog.get_logger("test").info("loaded", model="iris\x1b[31m\u202e", nothing=None)
    logging.getLogger("library").warning("careful")
    logging.getLogger("library").info("not shown")
    return stream.getvalue()


def test_programs_get_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """One object per line, libraries' warnings included."""
    lines = [json.loads(line) for line in logged(io.StringIO(), monkeypatch).splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("loaded", "info"), ("careful", "warning")]
    assert lines[0]["model"] == "iris\x1b[31m\u202e"


def test_people_get_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readable, and what comes out of a manifest moves no cursor."""
    text = logged(Terminal(), monkeypatch)
    assert "loaded" in text
    assert "careful" in text
    assert r"iris\x1b[31m\u202e" in text
