"""Server replicas before and after a merge: their memory, and which models come, go and stay. Pure."""

from collections.abc import Iterable, Mapping

from placement.inventory import ReplicaId, ServerReplica
from reconciler.planning.projection import live_inventory
from reconciler.preview.preview import ModelAt, ReplicaChange, Room, Total
from runtime.state import LiveState
from schemas.resource import key

_Loaded = Mapping[tuple[str, str], ModelAt]
"""By model and version."""


def replica_changes(live: LiveState, base: LiveState, merged: LiveState) -> tuple[ReplicaChange, ...]:
    """Every server replica of ``live`` or ``merged``, by identity; ``base`` is what comes without the merge."""
    before, waiting, after = (_replicas(state) for state in (live, base, merged))
    states = (live, merged)
    return tuple(
        _change(at, before.get(at), waiting.get(at), after.get(at), states)
        for at in sorted(before.keys() | after.keys())
    )


def capacity(rooms: Iterable[Room | None]) -> Total:
    """What all of them come to."""
    there = [room for room in rooms if room is not None]
    return Total(len(there), sum(room.limit for room in there), sum(room.used for room in there))


def _replicas(live: LiveState) -> dict[ReplicaId, ServerReplica]:
    servers = live_inventory(live).servers
    return {server.replica_id(replica.index): replica for server in servers for replica in server.replicas}


def _change(
    at: ReplicaId,
    before: ServerReplica | None,
    waiting: ServerReplica | None,
    after: ServerReplica | None,
    states: tuple[LiveState, LiveState],
) -> ReplicaChange:
    live, merged = states
    had, has = _models(at, before, live), _models(at, after, merged)
    return ReplicaChange(
        replica=at,
        owner=_owner(at, merged) or _owner(at, live),
        before=_room(before),
        after=_room(after),
        waiting=waiting.used if waiting is not None else 0,
        comes=tuple(model for place, model in has.items() if place not in had),
        goes=tuple(model for place, model in had.items() if place not in has),
        stays=tuple(model for place, model in has.items() if place in had),
    )


def _room(replica: ServerReplica | None) -> Room | None:
    if replica is None:
        return None
    return Room(replica.state, replica.memory_capacity, replica.limit, replica.used)


def _models(at: ReplicaId, replica: ServerReplica | None, live: LiveState) -> _Loaded:
    """What stands there, by model and version; what could not be loaded does not."""
    loaded = replica.loaded if replica is not None else ()
    return {
        (entry.model, entry.version): ModelAt(
            at.namespace,
            entry.model,
            entry.version,
            _model_owner(at.namespace, entry.model, live),
            entry.memory,
        )
        for entry in loaded
        if entry.state != "LoadFailed"
    }


def _model_owner(namespace: str, model: str, live: LiveState) -> str:
    entry = live.applied.get(key("Model", namespace, model))
    return entry.owner if entry is not None else ""


def _owner(at: ReplicaId, live: LiveState) -> str:
    entry = live.applied.get(key("Server", at.namespace, at.server))
    return entry.owner if entry is not None else ""
