"""A preview as the comment on a pull request: the verdict first, the worst first, everything else folded.

Pure. GitHub, GitLab, Gitea and Bitbucket read it, so it keeps to what they have in common: tables, fences and
``<details>``. It is made of blocks that are shown whole or not at all (:mod:`reconciler.preview.rendering.blocks`), of
texts that are escaped (:mod:`reconciler.preview.rendering.escaping`); which texts, the rows say.
"""

from collections.abc import Iterator, Sequence

from reconciler.preview.preview import ApplicationPreview, Note, Preview
from reconciler.preview.rendering.bars import legend, text_bar
from reconciler.preview.rendering.blocks import Block, Group, Left, bounded
from reconciler.preview.rendering.details import MOVES, ROUTES, Difference, differences, move_rows, route_rows
from reconciler.preview.rendering.escaping import block_line, code, fence, item, phrase, prose
from reconciler.preview.rendering.layout import LISTED, fold, folded_table, group, listing, paragraphs, table
from reconciler.preview.rendering.rows import (
    MODELS,
    FailureRow,
    ModelRow,
    ReplicaRow,
    failure_rows,
    model_rows,
    needs,
    problems,
    replica_rows,
    unchanged,
    unnamed_failures,
    unnamed_models,
    warnings,
)
from reconciler.preview.rendering.wording import (
    application_words,
    beside,
    mended,
    sentence,
    symbol,
    title,
    waiting,
)
from reconciler.preview.rendering.words import (
    ARTIFACTS,
    Phrase,
    capacity,
    compared,
    counted,
    joined,
    place,
    plans,
    problem_words,
)
from schemas.problem import Problem

LONGEST = 65_000
"""Characters that GitHub and Gitea take; in UTF-8 that is less than they take in bytes."""
NAMED = 5
"""Models that a line about a server replica names, and plans that the fine print does."""
LINES = 60
"""Lines of one difference."""
WIDTH = 24
"""Cells of a memory bar."""
MANIFEST = "changed manifest"

HEAD, NOTES, PROBLEMS, SERVED, FAILING, ROOM, ADVICE, FIELDS, WAITS, STEPS = range(10)
"""What is given up last comes first."""


def comment(preview: Preview, *, marker: str, link: str = "", longest: int = LONGEST) -> str:
    """The comment, of at most ``longest`` characters. ``marker`` is an HTML comment that stands first, ``link``
    the page that shows everything, empty where people reach none."""
    page = f"[The whole preview](<{_address(link)}>)" if link else ""
    groups = [
        *_head(preview, marker),
        *(group for at, each in enumerate(preview.applications) for group in _application(preview, each, at)),
        *_room(preview),
        *(group for at, each in enumerate(preview.applications) for group in _folded(preview, each, at)),
        paragraphs(NOTES, 0, [_fine_print(preview, page)]),
    ]
    text = bounded(groups, longest, lambda left: _left_out(left, page))
    return text and text.rstrip("\n") + "\n"


def _address(link: str) -> str:
    return link.replace("<", "%3C").replace(">", "%3E").replace("\\", "%5C").replace("\n", "")


def _left_out(left: Left, page: str) -> str:
    said = ", ".join(counted(number, noun) for noun, number in sorted(left.items()))
    where = f" {page} has everything." if page else ""
    return f"\n**Left out here, for length:** {said}.{where}\n" if said else ""


def _head(preview: Preview, marker: str) -> Iterator[Group]:
    yield Group((Block(f"{marker}\n", (0, HEAD)),))
    verdict = f"{symbol(preview)} **{title(preview)}** — {phrase(sentence(preview))}"
    yield paragraphs(HEAD, 0, [verdict, _sentence(beside(preview), "Also: ")])
    yield from _notes(preview.notes, 0)


def _sentence(said: Phrase, before: str = "") -> str:
    return f"{before}{phrase(said)}." if said else ""


def _notes(notes: Sequence[Note], at: int) -> Iterator[Group]:
    items = [f"**{prose(note.reason)}**: {prose(note.message)}" for note in notes]
    return listing(NOTES, at, "To be known", items, "note")


def _application(preview: Preview, each: ApplicationPreview, at: int) -> Iterator[Group]:
    """What is shown of one application without unfolding anything."""
    several = len(preview.applications) > 1
    heading = f"### Application {code(each.application)}" if several else ""
    counts = _sentence(application_words(each, preview)) if several else ""
    yield paragraphs(
        HEAD,
        at,
        [
            heading,
            counts,
            _sentence(waiting(each), "Not of this merge: "),
            _sentence(mended(each), "Mended: "),
        ],
    )
    yield from _notes(each.notes, at)
    yield from listing(PROBLEMS, at, "In the manifests", [_problem(p) for p in problems(each)], "problem")
    rows = [_model(row) for row in model_rows(each, preview)]
    yield from table(SERVED, at, MODELS, rows, "model")
    yield paragraphs(SERVED, at, [_sentence(unnamed_models(each, preview), "Beside these: ")])
    failures = [_failure(row) for row in failure_rows(each.failures, each.namespace)]
    yield from listing(FAILING, at, "What cannot be brought about", failures, "failure")
    yield paragraphs(FAILING, at, [_sentence(unnamed_failures(each.failures, preview))])
    told = [f"**{prose(w.reason)}** {code(w.name)}: {prose(w.message)}" for w in warnings(each)]
    yield from listing(ADVICE, at, "Warnings", told, "warning")


def _problem(problem: Problem) -> str:
    sign = "❌" if problem.severity == "error" else "⚠️"
    return f"{sign} {code(place(problem))} **{prose(problem.code)}** {prose(problem_words(problem))}"


def _model(row: ModelRow) -> tuple[str, ...]:
    name, version, replicas = (phrase(each) for each in (row.name, row.version, row.replicas))
    return name, row.what, version, replicas, prose(row.interruption)


def _failure(row: FailureRow) -> str:
    placed = f" ({row.placed} replicas placed)" if row.placed else ""
    cure = f"  \n  **Remedy:** {prose(row.cure)}" if row.cure else ""
    return f"{code(row.name)} **{prose(row.reason)}**{placed}: {prose(row.message)}{cure}"


def _room(preview: Preview) -> Iterator[Group]:
    """Server replicas as a picture, and what would make room."""
    rows = replica_rows(preview)
    changed = [row for row in rows if row.changes]
    if changed:
        total = capacity(preview.before, preview.after)
        yield paragraphs(ROOM, 0, [f"**Server replicas**: {total}"])
        yield from _picture(changed, unchanged(rows))
    told = [item(each) for each in needs(preview)]
    yield from listing(ROOM, 0, "What would make room", told, "remedy")


def _picture(rows: Sequence[ReplicaRow], rest: str) -> Iterator[Group]:
    lines = list(_replica_lines(rows))
    signs = [legend([row.bar for row in rows]), rest]
    foot = "".join(f"{line}\n" for line in signs if line)
    mark = fence(lines)
    shown, folded = [[f"{line}\n" for line in part] for part in (lines[:LISTED], lines[LISTED:])]
    noun = "server replica"
    yield group(ROOM, 0, shown, noun, opening=f"{mark}text\n", closing=f"\n{foot}{mark}\n\n")
    more = counted(len(folded), f"more {noun}")
    yield fold(ROOM, 0, more, folded, noun, head=f"{mark}text\n", foot=f"{mark}\n", first=LISTED)


def _replica_lines(rows: Sequence[ReplicaRow]) -> Iterator[str]:
    names = [block_line(row.name, 60) for row in rows]
    wide, long = max(map(len, names)), max(len(row.memory) for row in rows)
    for name, row in zip(names, rows, strict=True):
        moves = [block_line(move, 60) for move in row.moves[:NAMED]]
        moves += [f"and {len(row.moves) - NAMED} more"] if len(row.moves) > NAMED else []
        line = f"{name:<{wide}}  {text_bar(row.bar, WIDTH)}  {row.memory:<{long}}  {' '.join(moves)}"
        yield line.rstrip()


def _folded(preview: Preview, each: ApplicationPreview, at: int) -> Iterator[Group]:
    """What one has to unfold, with the application's name where there are several."""
    whose = f"{each.application}: " if len(preview.applications) > 1 else ""
    manifests = [_difference(difference) for difference in differences(each)]
    yield fold(FIELDS, at, f"{whose}{counted(len(manifests), MANIFEST)}", manifests, MANIFEST)
    waits = [_model(row) for row in model_rows(each, preview, waits=True)]
    yield folded_table(WAITS, at, whose, MODELS, waits, "waiting model")
    failing = [f"- {_failure(row)}\n" for row in failure_rows(each.waiting_failures, each.namespace)]
    told = counted(len(failing), "failure") + " of the base already"
    yield fold(WAITS, at, f"{whose}{told}", failing, "waiting failure")
    moves = [_cells(row) for row in move_rows(each.plan)]
    yield folded_table(STEPS, at, whose, MOVES, moves, "server replica step")
    routes = [_cells(row) for row in route_rows(each.plan)]
    yield folded_table(STEPS, at, whose, ROUTES, routes, "route change")


def _difference(found: Difference) -> str:
    where = f" in {code(found.place)}" if found.place else ""
    effect = f"  \n{prose(found.effect)}" if found.effect else ""
    heading = f"**{found.action}** {code(found.name)}{where}{effect}\n\n"
    lines = [f"{sign} {block_line(text)}" for sign, text in found.lines[:LINES]]
    more = len(found.lines) - len(lines)
    lines += [f"  and {counted(more, 'line')} more"] if more > 0 else []
    mark = fence(lines)
    block = "\n".join([f"{mark}diff", *lines, mark])
    return f"{heading}{block}\n\n" if lines else heading


def _cells(row: Sequence[Phrase]) -> tuple[str, ...]:
    return tuple(phrase(cell) for cell in row)


def _fine_print(preview: Preview, page: str) -> str:
    made, rest = plans(preview)[:NAMED], len(preview.applications) - NAMED
    more: list[Phrase] = [(f"and {counted(rest, 'plan')} more",)] if rest > 0 else []
    said = phrase(joined([compared(preview), *made, *more]))
    everything = f" {page} shows everything." if page else ""
    return f"{said[0].upper()}{said[1:]}. {ARTIFACTS}{everything}"
