"""A preview on the terminal, compared with golden files, and in colour."""

from dataclasses import replace

import pytest

from reconciler.cli.output import console
from reconciler.cli.previews import show_preview
from reconciler.preview.preview import Note
from tests.cli.conftest import normal
from tests.preview.examples import EXAMPLES

SHOWN = (
    "cannot-be-placed",
    "guests",
    "invalid-manifest",
    "new-version",
    "several-applications",
    "waiting-base",
)


@pytest.fixture
def fresh_console():
    """Rich looks at the terminal once."""
    console.cache_clear()
    yield
    console.cache_clear()


@pytest.mark.parametrize("name", SHOWN)
def test_a_preview_is_written_as_text(name, capsys, golden, fresh_console):
    """Without a terminal: no colour, bars of ASCII, nothing folded."""
    show_preview(EXAMPLES[name](), wide=False)
    golden(f"preview-{name}", capsys.readouterr().out)


def test_a_wide_preview_has_the_whole_plan(capsys, golden, fresh_console):
    """And server replicas that stay as they are."""
    show_preview(EXAMPLES["safe-addition"](), wide=True)
    golden("preview-wide", capsys.readouterr().out)


def test_a_terminal_gets_coloured_bars(capsys, monkeypatch, fresh_console):
    """Blocks instead of signs."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    show_preview(EXAMPLES["overcommitted"](), wide=False)
    text = capsys.readouterr().out
    assert "\x1b[34m█" in text
    assert "[###" not in text


def test_no_color_is_honoured(capsys, monkeypatch, fresh_console):
    """A bar that colour alone tells apart would be unreadable without it."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    show_preview(EXAMPLES["overcommitted"](), wide=False)
    text = capsys.readouterr().out
    assert "█" not in text
    assert "[#################+++!!::]" in text


def test_names_cannot_act_on_the_terminal(capsys, fresh_console, tmp_path):
    """Control characters are written as escapes."""
    note = Note("Suspended", "by \x1b[31mada\u202e")
    show_preview(replace(EXAMPLES["no-change"](), notes=(note,)), wide=False)
    text = normal(capsys.readouterr().out, tmp_path)
    assert r"Suspended: by \x1b[31mada\u202e" in text
