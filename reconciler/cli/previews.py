"""A preview on the terminal: the verdict, then tables with the worst first, memory as bars, then the differences.

It lays out the rows that the comment and the page lay out. Bars are blocks in colour where colour is wanted, and
ASCII everywhere else.
"""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.text import Text

from reconciler.cli.output import GAP, console, line
from reconciler.cli.plans import show_plan, show_section
from reconciler.cli.text import plain
from reconciler.cli.why import failures_table
from reconciler.preview.preview import ApplicationPreview, Note, Preview, Verdict
from reconciler.preview.rendering.bars import GLYPHS, MEANINGS, Bar, Kind, cells, legend
from reconciler.preview.rendering.details import Difference, differences
from reconciler.preview.rendering.rows import (
    MODELS,
    ModelRow,
    ReplicaRow,
    model_rows,
    needs,
    problems,
    replica_rows,
    unchanged,
    warnings,
)
from reconciler.preview.rendering.wording import application_words, beside, headline, mended, waiting
from reconciler.preview.rendering.words import (
    ARTIFACTS,
    Phrase,
    capacity,
    compared,
    joined,
    place,
    plain_phrase,
    plans,
    problem_words,
)

WIDTH = 24
"""Cells of a memory bar."""
_BLOCK = "█"
_COLOURS: dict[Kind, str] = {
    "kept": "blue",
    "exchanged": "magenta",
    "added": "green",
    "over": "red",
    "freed": "cyan",
    "free": "bright_black",
    "spare": "yellow",
}
_TONES: dict[Verdict, str] = {
    "NoChange": "bold",
    "Safe": "bold green",
    "ChangesServing": "bold green",
    "PartiallyPlaced": "bold yellow",
    "InterruptsServing": "bold yellow",
    "CannotBePlaced": "bold red",
    "StopsServing": "bold red",
    "InvalidManifests": "bold red",
}


def show_preview(preview: Preview, *, wide: bool) -> None:
    """All of it; with ``wide`` server replicas that stay as they are and the whole plans, too."""
    line(headline(preview), style=_TONES[preview.verdict])
    _sentence("also: ", beside(preview))
    _notes(preview.notes)
    for each in preview.applications:
        _application(each, preview, wide=wide)
    _room(preview, wide=wide)
    for each in preview.applications:
        for found in differences(each):
            _difference(found)
    for each in preview.applications if wide else ():
        line()
        show_plan(each.plan, wide=True)
    line()
    line(f"{plain_phrase(joined([compared(preview), *plans(preview)]))}. {ARTIFACTS}")


def _sentence(before: str, said: Phrase) -> None:
    if said:
        line(before + plain_phrase(said))


def _notes(notes: Iterable[Note]) -> None:
    for note in notes:
        line(f"{note.reason}: {note.message}", style="yellow")


def _application(each: ApplicationPreview, preview: Preview, *, wide: bool) -> None:
    if len(preview.applications) > 1:
        line()
        line(f"application {each.application}: {plain_phrase(application_words(each, preview))}", "bold")
    _sentence("not of this merge: ", waiting(each))
    _sentence("mended: ", mended(each))
    _notes(each.notes)
    told = [(place(p), p.severity, p.code, problem_words(p)) for p in problems(each)]
    show_section("PROBLEMS", ("PLACE", "SEVERITY", "CODE", "MESSAGE"), told)
    columns = [column.upper() for column in MODELS]
    show_section("MODELS", columns, [_model(row) for row in model_rows(each, preview)])
    show_section("FAILURES", *failures_table(each.failures, wide=wide))
    found = [(told.name, told.reason, told.message) for told in warnings(each)]
    show_section("WARNINGS", ("NAME", "REASON", "MESSAGE"), found)
    waits = [_model(row) for row in model_rows(each, preview, waits=True)]
    show_section("WAITING MODELS", columns, waits)
    show_section("WAITING FAILURES", *failures_table(each.waiting_failures, wide=wide))


def _model(row: ModelRow) -> tuple[str, ...]:
    return (
        plain_phrase(row.name),
        row.what,
        plain_phrase(row.version),
        plain_phrase(row.replicas),
        row.interruption,
    )


def _room(preview: Preview, *, wide: bool) -> None:
    rows = replica_rows(preview)
    shown = [row for row in rows if row.changes or wide]
    line()
    if shown:
        line(f"Server replicas: {capacity(preview.before, preview.after)}", style="bold")
        _replicas(shown)
        console().print(_legend(shown), soft_wrap=True)
    if unchanged(rows) and not wide:
        line(unchanged(rows))
    show_section("NEEDS", ("WHAT WOULD MAKE ROOM",), [(each,) for each in needs(preview)])


def _replicas(rows: Sequence[ReplicaRow]) -> None:
    """As a table; its bars are of many colours."""
    headings = (Text("REPLICA"), Text("BAR"), Text("MEMORY"), Text("MODELS"))
    told = [headings, *(_replica(row) for row in rows)]
    widths = [max(cell_len(row[column].plain) for row in told) for column in range(len(headings))]
    for number, row in enumerate(told):
        text = Text(style="bold" if number == 0 else "")
        for cell, width in zip(row, widths, strict=True):
            text.append_text(cell).append(" " * (width - cell_len(cell.plain) + GAP))
        text.rstrip()
        console().print(text, soft_wrap=True)


def _replica(row: ReplicaRow) -> tuple[Text, Text, Text, Text]:
    moves = Text(plain(" ".join(row.moves)))
    return Text(plain(row.name)), _bar(row.bar), Text(plain(row.memory)), moves


def _bar(shown: Bar) -> Text:
    text = Text() if _is_coloured() else Text("[")
    for kind, count in cells(shown, WIDTH):
        text.append(_glyph(kind) * count, _COLOURS[kind])
    return text if _is_coloured() else text.append("]")


def _legend(rows: Sequence[ReplicaRow]) -> Text:
    if not _is_coloured():
        return Text(legend([row.bar for row in rows]))
    found = {each.kind for row in rows for each in row.bar.stretches}
    parts = [(kind, meaning) for kind, meaning in MEANINGS.items() if kind in found]
    text = Text()
    for kind, meaning in parts:
        text.append(_BLOCK, _COLOURS[kind]).append(f" {meaning}   ")
    text.rstrip()
    return text


def _glyph(kind: Kind) -> str:
    return _BLOCK if _is_coloured() else GLYPHS[kind]


def _is_coloured() -> bool:
    return console().is_terminal and not console().no_color and console().color_system is not None


def _difference(found: Difference) -> None:
    """The differing fields of one manifest, as ``moorage diff`` writes them."""
    line()
    line(f"{found.action} {found.name}" + (f" in {found.place}" if found.place else ""), style="bold")
    if found.effect:
        line(found.effect, style="yellow")
    for sign, text in found.lines:
        line(f"{sign}{text}", style="green" if sign == "+" else "red")
