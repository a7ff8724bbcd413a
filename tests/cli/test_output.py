"""Tables, colours, ages and errors."""

from datetime import timedelta

import pytest

from reconciler.cli.exits import CommandError, report
from reconciler.cli.output import table
from reconciler.cli.resources import age
from schemas.errors import InputError


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Left-aligned, two blanks apart, no blanks at the end; wide characters take two cells."""
    table(("NAME", "READY"), [("a", "True"), ("模型", ""), ("longer-name", "False")])
    assert capsys.readouterr().out == ("NAME         READY\na            True\n模型\nlonger-name  False\n")


def test_a_long_line_is_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    """One row is one line, whatever the width of the terminal."""
    table(("MESSAGE",), [("word " * 100,)])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_no_colour_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Pipes get plain text."""
    table(("STATUS",), [("Degraded",)])
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (59, "59s"),
        (119, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (86400, "1d"),
        (259200, "3d"),
    ],
)
def test_ages_are_written_as_kubectl_does(seconds: int, shown: str) -> None:
    """The largest unit that keeps two digits of meaning."""
    assert age(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("R", "m", "h"), 2, "moorage: R: m (h)\n"),
        (InputError("R", "m"), 2, "moorage: R: m\n"),
        (CommandError(InputError("R", "m"), 1), 1, "moorage: R: m\n"),
        (
            RuntimeError("a\nb"),
            2,
            "moorage: InternalError: RuntimeError: a\\nb (MOORAGE_TRACEBACK=1 shows where)\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_one_line_and_a_status(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, line: str
) -> None:
    """Whatever goes wrong, a script can tell it from an answer."""
    assert report(error) == status
    assert capsys.readouterr() == ("", line)
