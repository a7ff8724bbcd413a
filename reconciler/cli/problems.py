"""Problems as people and programs read them: a table, JSON, GitHub's workflow commands."""

from collections.abc import Sequence

from reconciler.cli import output
from reconciler.cli.text import plain
from schemas.codec import encode
from schemas.load import Loaded
from schemas.problem import Problem


def as_table(problems: Sequence[Problem], loaded: Loaded) -> None:
    """One row per problem on stdout; what was skipped and how much there was on stderr."""
    if problems:
        output.table(("PLACE", "SEVERITY", "CODE", "RESOURCE", "MESSAGE"), [_row(each) for each in problems])
    for document in loaded.skipped:
        what = " ".join(part for part in (document.kind, document.name) if part)
        output.say(
            f"skipped: {document.file}:{document.line} {what} of {document.api_version or 'no apiVersion'}"
        )
    counts = _summary(problems, loaded)
    output.say(", ".join(f"{count} {name}" for name, count in counts.items()))


def as_json(problems: Sequence[Problem], loaded: Loaded) -> None:
    """The documented object."""
    output.as_json({"problems": encode(list(problems)), "summary": _summary(problems, loaded)})


def as_github(problems: Sequence[Problem]) -> None:
    """One workflow command per problem, which GitHub shows at the line."""
    for each in problems:
        place = f"file={_property(each.file)},line={max(each.line, 1)},col={max(each.column, 1)}"
        output.line(f"::{each.severity} {place},title={_property(each.code)}::{_data(_message(each))}")


def _row(problem: Problem) -> tuple[str, ...]:
    place = f"{problem.file}:{problem.line}:{problem.column}"
    name = f"{problem.namespace}/{problem.name}" if problem.name else ""
    return place, problem.severity, problem.code, f"{problem.kind} {name}".strip(), _message(problem)


def _message(problem: Problem) -> str:
    path = f"{problem.path}: " if problem.path else ""
    return f"{path}{problem.message}" + (f" ({problem.hint})" if problem.hint else "")


def _summary(problems: Sequence[Problem], loaded: Loaded) -> dict[str, int]:
    errors = sum(problem.severity == "error" for problem in problems)
    return {
        "documents": loaded.documents,
        "resources": len(loaded.resources),
        "skipped": len(loaded.skipped),
        "errors": errors,
        "warnings": len(problems) - errors,
    }


def _data(text: str) -> str:
    """GitHub's escapes of a message. A line end would begin another command."""
    return plain(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
