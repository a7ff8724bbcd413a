"""Why something is not where its manifest wants it, as text: failures of a plan, the explanation of a model.

Thousands of failures and of servers are told on one screen: failures with the same cure are counted, and of
the servers only the nearest are listed. ``-o wide`` and ``--all`` list everything.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from placement.filters import is_capable, lacking
from placement.placement import Verdict
from placement.quantity import readable_amount, readable_bytes
from placement.why.remedy import Remedy
from placement.why.verdicts import Nearness, nearness
from reconciler.cli.output import line, table
from reconciler.planning.plan import Failure
from reconciler.planning.planner import Explanation

LISTED_FAILURES = 20
"""More than these are counted by reason and remedy."""
LISTED_SERVERS = 10
NAMED = 3
"""Resources that a line names before it counts the rest."""
NO_REMEDY = "no single change helps"

Table = tuple[Sequence[str], Sequence[Sequence[object]]]
_Group = Sequence[Verdict]
"""A server's verdict, then those of its replicas."""


def failures_table(failures: Sequence[Failure], *, wide: bool) -> Table:
    """What a plan cannot do: with ``wide`` one by one with all numbers, else what would help, and many
    counted by reason and remedy, the largest group first."""
    columns = ("KIND", "NAMESPACE", "NAME", "REASON", "PLACED")
    if wide:
        rows = [(*_failure(each), each.message, _cure(each)) for each in failures]
        return (*columns, "MESSAGE", "REMEDY"), rows
    if len(failures) <= LISTED_FAILURES:
        return (*columns, "MESSAGE"), [(*_failure(each), _brief(each)) for each in failures]
    return ("COUNT", "KIND", "REASON", "FIRST", "MESSAGE"), _grouped(failures)


def _failure(failure: Failure) -> tuple[str, ...]:
    key = failure.key
    return key.kind, key.namespace, key.name, failure.reason, f"{failure.placed}/{failure.desired}"


def _cure(failure: Failure) -> str:
    return failure.remedy.message if failure.remedy else ""


def _brief(failure: Failure) -> str:
    """What would help, or else the nearest miss, which a failure's message ends with."""
    return _cure(failure) or failure.message.rpartition("; ")[2]


def _grouped(failures: Iterable[Failure]) -> list[tuple[object, ...]]:
    groups: dict[tuple[str, str, str, str], list[Failure]] = {}
    for each in failures:
        remedy = each.remedy or Remedy("Recreate")
        cure = (remedy.kind, remedy.server) if each.remedy else ("", "")
        groups.setdefault((each.key.kind, each.reason, *cure), []).append(each)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [
        (len(found), kind, reason, _first(found), _common(found)) for (kind, reason, _, _), found in ordered
    ]


def _first(failures: Sequence[Failure]) -> str:
    names = ", ".join(f"{each.key.namespace}/{each.key.name}" for each in failures[:NAMED])
    more = len(failures) - NAMED
    return f"{names} and {more} more" if more > 0 else names


def _common(failures: Sequence[Failure]) -> str:
    """What would help the neediest of a group, and so each of them alone."""
    neediest = max(failures, key=lambda each: _amounts(each.remedy))
    told = _brief(neediest)
    return f"each {told}" if neediest.remedy and len(failures) > 1 else told


def _amounts(remedy: Remedy | None) -> tuple[int, int, int, int]:
    if remedy is None:
        return 0, 0, 0, 0
    return remedy.memory, remedy.amount, remedy.replicas, len(remedy.capabilities)


def show_explanation(found: Explanation, *, every: bool) -> None:
    """The engine's decision on one model and its remedy; verdicts by server, or ``every`` single one."""
    demand, assignment = found.demand, found.assignment
    where = f" on {assignment.server} {list(assignment.indices)}" if assignment.server else ""
    line(f"model {demand.namespace}/{demand.model}: {assignment.outcome}{where}", style="bold")
    for label, text in _facts(found):
        line(f"  {label:<7}  {text}")
    columns, rows = _every_verdict(found) if every else _servers(found)
    if rows:
        line()
        line("Verdicts", style="bold")
        table(columns, rows)
    if not every and (rest := _unlisted(found)):
        line(rest)


def _facts(found: Explanation) -> Iterable[tuple[str, str]]:
    yield "wants", _wish(found)
    label = "why"
    for part in filter(None, found.assignment.message.split("; ")):
        nearest = part.removeprefix("nearest ")
        yield ("nearest", nearest) if nearest != part else (label, part)
        label = ""
    if found.remedy:
        yield "remedy", found.remedy.message
    elif found.assignment.outcome in ("ScheduleFailed", "PartiallyScheduled"):
        yield "remedy", NO_REMEDY


def _wish(found: Explanation) -> str:
    demand = found.demand
    count = "1 replica" if demand.replicas == 1 else f"{demand.replicas} replicas"
    least = f" (at least {demand.min_replicas})" if demand.min_replicas else ""
    parts = [f"{count}{least}", f"{readable_bytes(demand.memory)} each"]
    parts += [f"{name} {readable_amount(amount)} each" for name, amount in demand.resources]
    parts += [f"requires {', '.join(demand.requirements) or 'nothing'}"]
    parts += [f"server {demand.server}"] if demand.server else []
    return ", ".join(parts)


def _every_verdict(found: Explanation) -> Table:
    rows = [
        (verdict.server, "" if verdict.index is None else verdict.index, verdict.reason, verdict.message)
        for verdict in found.verdicts
    ]
    return ("SERVER", "REPLICA", "VERDICT", "MESSAGE"), rows


def _servers(found: Explanation) -> Table:
    """The nearest servers first; of each how its replicas answer."""
    rows = [
        (server.server, server.reason, f"{_suitable(replicas)}/{len(replicas)}", _answers(replicas))
        for server, *replicas in _nearest_first(found)[:LISTED_SERVERS]
    ]
    return ("SERVER", "VERDICT", "SUITABLE", "REJECTIONS"), rows


def _unlisted(found: Explanation) -> str:
    rest = _nearest_first(found)[LISTED_SERVERS:]
    if not rest:
        return ""
    reasons = _counted(server.reason for server, *_ in rest)
    return f"and {len(rest)} more: {reasons}; --all lists every verdict"


def _nearest_first(found: Explanation) -> list[list[Verdict]]:
    """Servers that can take the model, then those that its replicas decide, nearest first, then others."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in found.verdicts:
        groups.setdefault(verdict.server, []).append(verdict)
    wanted = found.demand.replicas
    return sorted(groups.values(), key=lambda group: (_rank(group[0]), _distance(group, wanted)))


def _rank(server: Verdict) -> int:
    return {"Accepted": 0, "NotEnoughReplicas": 1}.get(server.reason, 2)


def _distance(group: _Group, wanted: int) -> Nearness:
    server, *replicas = group
    frees = [int(each.numbers["free"]) for each in replicas if is_capable(each.numbers)]
    fewest = min((lacking(each.numbers) for each in replicas), default=0)
    return nearness(server.server, frees, fewest, wanted)


def _suitable(replicas: _Group) -> int:
    return sum(each.accepted for each in replicas)


def _answers(replicas: _Group) -> str:
    return _counted(each.reason for each in replicas if not each.accepted)


def _counted(reasons: Iterable[str]) -> str:
    """The most frequent first."""
    ordered = sorted(Counter(reasons).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {reason}" for reason, count in ordered)
