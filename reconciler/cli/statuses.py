"""What is wrong with an application, and its resources, as tables: the same for every command that shows them."""

from collections.abc import Sequence

from reconciler.cli.output import line, table
from reconciler.status import ApplicationStatus, Condition


def show_conditions(conditions: Sequence[Condition]) -> None:
    """One row each, below a blank line; nothing where there are none."""
    if conditions:
        line()
        table(("CONDITION", "MESSAGE"), [(each.reason, each.message) for each in conditions])


def show_problems(status: ApplicationStatus) -> None:
    """Problems of manifests with their place, below a blank line; nothing where there are none."""
    if status.problems:
        line()
        rows = [
            (f"{each.file}:{each.line}:{each.column}", each.severity, each.code, each.message)
            for each in status.problems
        ]
        table(("PLACE", "SEVERITY", "CODE", "MESSAGE"), rows)


def to_the_second(moment: str) -> str:
    """``2026-01-31T12:00:00.123+00:00`` → ``2026-01-31T12:00:00Z``; times in records are UTC."""
    return f"{moment.partition('.')[0]}Z"
