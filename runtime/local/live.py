"""Live state of one machine from its record: of a running runtime, or read while no controller runs."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from placement.inventory import ReplicaState
from runtime.local.models import live_model
from runtime.local.processes import ProcessIdentity, matches
from runtime.local.record import FILE, Record
from runtime.local.rows import IncarnationRow, ProcessRow, ServerRow
from runtime.local.versions import Versions
from runtime.state import EnvironmentFacts, LiveServerReplica, LiveState


def load_live_state(folder: Path, environments: Mapping[str, EnvironmentFacts] | None = None) -> LiveState:
    """What the record says, nothing supervised and nothing changed; empty where there is no record.

    A server replica whose process runs is Ready. ``environments`` are known to whoever knows the
    programs. StopError where the record cannot be read.
    """
    facts = dict(environments or {})
    if not (folder / FILE).exists():
        return LiveState(environments=facts)
    record = Record(folder, read_only=True)
    try:
        running = {row.replica: row for row in _running(record.processes.in_order())}
        return LiveState(
            record.resources.in_order(),
            tuple(_server(row, running.get(row.id)) for row in record.servers.in_order()),
            tuple(live_model(row, Versions(record)) for row in record.models.in_order()),
            record.routes.in_order(),
            facts,
        )
    finally:
        record.close()


def _running(rows: Iterable[ProcessRow]) -> Iterable[IncarnationRow]:
    return (
        row.server
        for row in rows
        if row.server and row.current and matches(ProcessIdentity(row.pid, row.started, row.token))
    )


def _server(row: ServerRow, running: IncarnationRow | None) -> LiveServerReplica:
    state: ReplicaState = "Draining" if row.stopping else "Restarting" if row.served else "Pending"
    if running is None:
        return LiveServerReplica(row.id, state, row.template, row.capabilities)
    return LiveServerReplica(row.id, "Ready", running.template, row.capabilities)
