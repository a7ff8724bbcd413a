"""Applications, their history and the results of syncs as text, in the words and columns of Argo CD's CLI."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from reconciler.cli.output import line, table
from reconciler.cli.plans import show_section
from reconciler.cli.statuses import show_conditions, show_problems, to_the_second
from reconciler.cli.why import failures_table
from reconciler.control.intent import Said
from reconciler.control.requests import SyncAnswer
from reconciler.planning.plan import Plan
from reconciler.status import ApplicationStatus, SyncRecord

SHORT = 7
"""Characters of a commit's id that are shown."""
NONE = "<none>"


def show_list(statuses: Sequence[ApplicationStatus], *, wide: bool = False) -> None:
    """One row for each application."""
    columns = ("NAME", "NAMESPACE", "STATUS", "HEALTH", "SYNCPOLICY", "CONDITIONS")
    more = ("REPO", "PATH", "TARGET") if wide else ()
    table((*columns, *more), [_row(each, wide=wide) for each in statuses])


def _row(status: ApplicationStatus, *, wide: bool) -> tuple[str, ...]:
    reasons = sorted({each.reason for each in status.conditions})
    row = (
        status.name,
        status.namespace,
        status.sync,
        status.health,
        sync_policy(status),
        ",".join(reasons) or NONE,
    )
    return (*row, status.repository, status.path or ".", status.follows) if wide else row


def sync_policy(status: ApplicationStatus) -> str:
    """What decides when it is synced: people's word first, then its policy."""
    position = status.position
    if position.gate.reason == "Suspended":
        return "Suspended"
    if position.pin is not None:
        return "Pinned"
    if not position.auto:
        return "Manual"
    return "Auto-Prune" if position.prune == "on" else "Auto"


def show_one(status: ApplicationStatus) -> None:
    """Facts by name, conditions that the facts do not tell already, resources, problems of manifests."""
    facts = list(_facts(status))
    width = max(len(name) for name, _ in facts) + 1
    for name, fact in facts:
        line(f"{name + ':':<{width}}  {fact}")
    told = {
        "Pinned",
        status.position.gate.reason,
        *([status.position.plan.standing] if status.position.held else []),
    }
    show_conditions([each for each in status.conditions if each.reason not in told])
    for each in status.position.plan.difference:
        line(f"  {each}", style="green" if each.startswith("+") else "red" if each.startswith("-") else "")
    if status.resources:
        line()
        table(("KIND", "NAMESPACE", "NAME", "STATUS", "HEALTH", "MESSAGE"), _resources(status))
    show_problems(status)


def _facts(status: ApplicationStatus) -> Iterator[tuple[str, str]]:
    position = status.position
    yield "Name", status.name
    yield "Namespace", status.namespace
    if status.repository:
        yield "Repo", status.repository
        yield "Target", status.follows
        yield "Path", status.path or "."
    yield "Sync Policy", sync_policy(status)
    if position.pin is not None:
        yield "Pinned", f"{position.pin.revision[:SHORT]} {_said(position.pin.said)}"
    if position.gate.reason:
        until = f" (until {_moment(position.gate.until)})" if position.gate.until else ""
        yield "Held Back", f"{position.gate.reason}: {position.gate.message}{until}"
    if position.plan.standing:
        yield "Plan", f"{position.plan.standing}: {position.plan.message}"
    if position.held:
        yield "Held Back", "the plan waits for approval: look with moorage plan, then moorage app approve"
    yield "Sync Status", _sync_status(status)
    if position.drift is not None:
        yield "OutOfSync Since", f"{_moment(position.drift.since)} (moved by {position.drift.mover})"
    yield "Health Status", status.health
    if status.last_sync is not None:
        yield "Last Sync", _last(status.last_sync)


def _said(said: Said) -> str:
    return f"by {said.who} at {_moment(said.at)}" + (f": {said.why}" if said.why else "")


def _sync_status(status: ApplicationStatus) -> str:
    if not status.revision:
        return status.sync
    word = "to" if status.sync == "Synced" else "from"
    pinned = status.position.pin is not None
    return f"{status.sync} {word} {'the pin' if pinned else status.follows} ({status.revision[:SHORT]})"


def _last(record: SyncRecord) -> str:
    at = to_the_second(record.finished or record.started)
    return f"{record.phase} {at} at {record.revision[:SHORT]} by {record.who} (ID {record.id})"


def _resources(status: ApplicationStatus) -> list[tuple[str, ...]]:
    return [
        (
            each.key.kind,
            each.key.namespace,
            each.key.name,
            each.sync,
            each.health.status,
            each.health.message or each.health.reason,
        )
        for each in status.resources
    ]


def show_history(records: Sequence[SyncRecord]) -> None:
    """One row for each sync, newest first."""
    rows = [
        (
            record.id,
            to_the_second(record.started),
            record.revision[:SHORT],
            record.who,
            record.reason,
            record.phase,
            _duration(record),
            f"{record.preview.standing} {record.preview.where}".strip(),
        )
        for record in records
    ]
    table(("ID", "DATE", "REVISION", "WHO", "REASON", "PHASE", "DURATION", "PREVIEW"), rows)


def _duration(record: SyncRecord) -> str:
    if not record.finished:
        return ""
    passed = datetime.fromisoformat(record.finished) - datetime.fromisoformat(record.started)
    return duration(passed)


def duration(passed: timedelta) -> str:
    """``0.4s``, ``12.0s``, ``3m05s``, ``1h02m``."""
    seconds = max(0.0, passed.total_seconds())
    if seconds < 60:  # tenths: most syncs take less than a second
        return f"{min(seconds, 59.9):.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def show_answer(name: str, answer: SyncAnswer) -> None:
    """How a sync ended: what became of every resource that it was about, and the steps that failed."""
    at = f" to {answer.plan.revision[:SHORT]}" if answer.plan and answer.plan.revision else ""
    line(f"sync of {name}{at}: {answer.phase}", style="bold")
    if answer.plan is not None and answer.phase != "Denied":
        rows = list(_results(answer.plan, dict(answer.failed)))
        show_section("RESOURCES", ("KIND", "NAMESPACE", "NAME", "STATUS", "MESSAGE"), rows)
        show_section("NOT PLACED", *failures_table(answer.plan.failures, wide=False))
    show_section("FAILED STEPS", ("STEP", "WHY"), answer.failed)


_DONE = {"create": ("Synced", "created"), "update": ("Synced", "updated"), "delete": ("Pruned", "deleted")}
"""Argo CD's word for the result, and what was done."""


def _results(plan: Plan, failed: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """Changes, then what is held back, each by key."""
    for change in plan.changes:
        step = f"{'forget' if change.action == 'delete' else 'record'} {change.key}"
        status, message = ("SyncFailed", failed[step]) if step in failed else _DONE[change.action]
        yield change.key.kind, change.key.namespace, change.key.name, status, message
    for held in plan.held:
        status = "PruneSkipped" if held.reason.startswith("Prune") else "Skipped"
        yield held.key.kind, held.key.namespace, held.key.name, status, f"{held.reason}: {held.message}"


def _moment(moment: datetime) -> str:
    return to_the_second(moment.astimezone(UTC).isoformat(timespec="milliseconds"))
