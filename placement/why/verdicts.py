"""Why a model is, or is not, where its manifest wants it: verdicts one by one, and in one line.

:func:`verdicts` asks every question of :mod:`placement.filters` about one model; :func:`summarise`
counts the answers and names the nearest miss. The engine reaches the same :class:`Tally` for
thousands of models by class (:mod:`placement.why.census`), so both say the same sentence.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from placement.demand import Demand
from placement.filters import (
    LACKS_UNKNOWN,
    Finding,
    holds,
    is_capable,
    lacking,
    memory_numbers,
    needs_and_free,
    reject_replica,
    reject_server,
)
from placement.inventory import Inventory, Server, ServerReplica
from placement.placement import Verdict, VerdictReason

MESSAGE_LIMIT = 400
_ORDER = {reason: place for place, reason in enumerate(get_args(VerdictReason))}
_JUDGED_BY_REPLICAS = ("NotEnoughReplicas", "Accepted")


def shorten(text: str) -> str:
    """At most :data:`MESSAGE_LIMIT` characters."""
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


def verdicts(demand: Demand, inventory: Inventory) -> tuple[Verdict, ...]:
    """Every server of the demand's namespace followed by its replicas, by server name and index.

    A replica's verdict stands for itself, also where its server is rejected: it tells what would be if
    the server were asked for. Memory is judged as ``inventory`` has it.
    """
    servers = sorted(inventory.in_namespace(demand.namespace), key=lambda server: server.name)
    return tuple(verdict for server in servers for verdict in server_verdicts(demand, server))


def server_verdicts(demand: Demand, server: Server) -> tuple[Verdict, ...]:
    """The server's verdict, then one for each replica in index order."""
    replicas = sorted(server.replicas, key=lambda replica: replica.index)
    answers = tuple(replica_verdict(demand, server.name, replica) for replica in replicas)
    finding = reject_server(demand, server) or _judge_count(demand, answers)
    return (_verdict(server.name, None, finding), *answers)


def replica_verdict(demand: Demand, server: str, replica: ServerReplica) -> Verdict:
    """What speaks against one replica, or why it is accepted."""
    finding = reject_replica(demand, replica) or _accept(demand, replica)
    return _verdict(server, replica.index, finding)


def _verdict(server: str, index: int | None, finding: Finding) -> Verdict:
    return Verdict(server, index, finding.reason, shorten(finding.message), finding.numbers)


def _accept(demand: Demand, replica: ServerReplica) -> Finding:
    message = "has this version" if holds(demand, replica) else needs_and_free(demand, replica)
    if replica.state == "Pending":
        message += "; the replica is still to be started"
    return Finding("Accepted", message, memory_numbers(demand, replica))


def _judge_count(demand: Demand, answers: Sequence[Verdict]) -> Finding:
    suitable = sum(answer.accepted for answer in answers)
    capable = sum(is_capable(answer.numbers) for answer in answers)
    numbers: dict[str, int | str] = {
        "replicas": len(answers),
        "suitable": suitable,
        "wanted": demand.replicas,
        "minimum": demand.min_replicas,
    }
    enough = suitable >= demand.replicas or suitable >= demand.min_replicas > 0
    accepted = enough if demand.replicas else capable > 0
    message = f"{suitable} of {_count(len(answers), 'replica')} suitable, {_wanted(demand)} wanted"
    return Finding("Accepted" if accepted else "NotEnoughReplicas", message, numbers)


@dataclass(frozen=True)
class Tally:
    """Verdicts counted: of all servers by reason, of the replicas of servers that could be used, and
    the nearest miss as ``server/index: what is in the way``, or empty."""

    servers: Mapping[VerdictReason, int]
    replicas: Mapping[VerdictReason, int]
    nearest: str


Nearness = tuple[int, int, str]


def nearness(name: str, frees: Iterable[int], fewest: int, count: int) -> Nearness:
    """Sort key of a server that cannot take ``count`` replicas; the least is the nearest miss.

    ``frees`` are the free bytes of its replicas that are capable, ``fewest`` is how much the best of the
    others lacks. Nearest is who has most of the replicas wanted, then most memory on the
    last of these (where there is none: least lacking), then the first by name.
    """
    most = sorted(frees, reverse=True)[: max(count, 1)]
    return -len(most), -most[-1] if most else fewest, name


def near_miss(answers: Sequence[Verdict]) -> str:
    """What is in the way on one server: of its rejected replicas the one that is closest."""
    server, *replicas = answers
    rejected = [answer for answer in replicas if not answer.accepted]
    if not rejected:
        return f"{server.server}: {server.message}"
    return name_miss(min(rejected, key=_distance))


def name_miss(rejected: Verdict) -> str:
    """``server/index: what is in the way``."""
    return f"{rejected.server}/{rejected.index}: {rejected.message}"


Distance = tuple[bool, int, int]


def distance(free: int | None, missing: int, index: int) -> Distance:
    """Sort key of a rejected replica; the least is the closest: most free memory among those that are
    capable (``free`` is None for the others), then least ``missing``, then index."""
    return free is None, missing if free is None else -free, index


def _distance(answer: Verdict) -> Distance:
    free = int(answer.numbers["free"]) if is_capable(answer.numbers) else None
    return distance(free, lacking(answer.numbers), answer.index or 0)


def tally(demand: Demand, found: Sequence[Verdict]) -> Tally:
    """Count the verdicts of :func:`verdicts`."""
    groups = _by_server(found)
    usable = [group for group in groups if group[0].reason in _JUDGED_BY_REPLICAS]
    replicas = Counter(answer.reason for group in usable for answer in group[1:])
    return Tally(Counter(group[0].reason for group in groups), replicas, _nearest(demand, groups, usable))


def _by_server(found: Sequence[Verdict]) -> list[list[Verdict]]:
    groups: list[list[Verdict]] = []
    for verdict in found:
        if verdict.index is None:
            groups.append([])
        groups[-1].append(verdict)
    return groups


def _nearest(demand: Demand, groups: Sequence[Sequence[Verdict]], usable: Sequence[Sequence[Verdict]]) -> str:
    if usable:
        return near_miss(min(usable, key=lambda group: _group_nearness(demand, group)))
    pinned = [group[0] for group in groups if group[0].server == demand.server]
    return f"{pinned[0].server}: {pinned[0].message}" if pinned else ""


def _group_nearness(demand: Demand, group: Sequence[Verdict]) -> Nearness:
    frees = [int(answer.numbers["free"]) for answer in group[1:] if is_capable(answer.numbers)]
    fewest = min((lacking(answer.numbers) for answer in group[1:]), default=LACKS_UNKNOWN)
    return nearness(group[0].server, frees, fewest, demand.replicas)


def summarise(demand: Demand, found: Sequence[Verdict]) -> str:
    """One line about the verdicts of one demand: how many servers can take it, counts per reason in the
    order in which they are asked, the nearest miss. At most :data:`MESSAGE_LIMIT` characters."""
    return describe(demand, tally(demand, found))


def describe(demand: Demand, counted: Tally) -> str:
    """The sentence of :func:`summarise`."""
    total = sum(counted.servers.values())
    if not total:
        return shorten(f"namespace {demand.namespace} has no server")
    able = counted.servers.get("Accepted", 0)
    parts = [f"{able} of {_count(total, 'server')} can take {_wanted(demand)}"]
    if rejected := _reasons(counted.servers):
        parts[0] += f": {rejected}"
    if rejected := _reasons(counted.replicas):
        parts.append(f"of {_count(sum(counted.replicas.values()), 'replica')} looked at: {rejected}")
    if not able and (miss := counted.nearest or _absent(demand)):
        parts.append(f"nearest {miss}" if counted.nearest else miss)
    return shorten("; ".join(parts))


def describe_partial(demand: Demand, server: str, placed: int, counted: Tally) -> str:
    """The sentence for a model that got ``placed`` replicas, fewer than wanted; ``counted`` is the
    tally of its own server."""
    head = f"{placed} of {_count(demand.replicas, 'replica')} placed, no server can take all"
    rest = _reasons(counted.replicas)
    return shorten(
        f"{head}; {server}: {rest}; nearest {counted.nearest}" if rest else f"{head}; {counted.nearest}"
    )


def _absent(demand: Demand) -> str:
    return f"requested server {demand.server} does not exist" if demand.server is not None else ""


def _wanted(demand: Demand) -> str:
    least = f" (at least {demand.min_replicas})" if 0 < demand.min_replicas < demand.replicas else ""
    return _count(demand.replicas, "replica") + least


def _reasons(counts: Mapping[VerdictReason, int]) -> str:
    kept = sorted(
        (reason for reason in counts if reason != "Accepted" and counts[reason]), key=_ORDER.__getitem__
    )
    return ", ".join(f"{counts[reason]} {reason}" for reason in kept)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
