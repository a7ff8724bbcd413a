"""Log files of child processes: set aside at each start, bounded while running, read for people."""

import shutil
from pathlib import Path

LAST_LINE_BYTES = 4096


def set_aside(log: Path) -> None:
    """Keep what the last process wrote as ``<log>.1`` and begin anew."""
    if log.exists():
        log.replace(_previous(log))
    log.parent.mkdir(parents=True, exist_ok=True)


def bound(log: Path, limit: int) -> None:
    """Set a log aside that a running process has filled with more than ``limit`` bytes.

    Processes write with O_APPEND, so the file can be copied and emptied under them; what is written
    between the two is lost.
    """
    if log.exists() and log.stat().st_size > limit:
        shutil.copyfile(log, _previous(log))
        with log.open("r+b") as file:
            file.truncate()


def last_line(log: Path) -> str:
    """The last line that is not blank, shortened; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LAST_LINE_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except FileNotFoundError:
        return ""
    return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "")


def _previous(log: Path) -> Path:
    return log.with_name(log.name + ".1")
