"""The inventory file: live state as a document that people keep, send and plan from.

Live state is taken apart by server and replica, as the engine looks at it. A plan from the file is the
plan from the live system, digest by digest, as long as Git says what it said. Left out are process ids,
ports, times, the bytes of artifacts, and texts that may be secrets: of these there are digests
(:mod:`reconciler.inventory.masking`). Models that stand on no listed server replica are left out, too. The format
is ``docs/inventory.schema.json``; reading it is :mod:`reconciler.inventory.reading`'s work.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from placement.inventory import LoadedModel, ReplicaId, Server, ServerReplica
from reconciler.inventory.masking import masked, masked_environment
from reconciler.inventory.text import schema
from reconciler.planning.projection import live_inventory
from runtime.state import AppliedResource, EnvironmentFacts, LiveState
from schemas.codec import encode
from schemas.encode import manifest
from schemas.scaling import effective_scaling
from schemas.specs import ServerSpec

Object = dict[str, Any]


def written(live: LiveState, listening: Iterable[str]) -> Object:
    """``live`` as an inventory file. Order: everything by identity, as the schema says."""
    return {
        "$schema": schema()["$id"],
        "schemaVersion": 1,
        "servers": _Writer(live).servers(),
        "resources": [_applied(entry) for entry in live.resources],
        "routes": encode(live.routes),
        "environments": {name: _facts(facts) for name, facts in sorted(live.environments.items())},
        "listening": sorted(listening),
    }


def _applied(entry: AppliedResource) -> Object:
    return {
        "owner": entry.owner,
        "origin": encode(entry.resource.origin),
        "manifest": manifest(masked(entry.resource)),
    }


def _facts(facts: EnvironmentFacts) -> Object:
    said: Object = encode(facts)
    del said["serverConfig"]
    return said


class _Writer:
    """What stands in more than one place of live state, by replica."""

    def __init__(self, live: LiveState) -> None:
        self._inventory = live_inventory(live)
        self._live = {entry.id: entry for entry in live.servers}
        self._models = {(m.replica, m.model, m.version): m for m in live.models}
        self._expected = {
            (entry.resource.key.namespace, entry.resource.key.name): _replicas(entry.resource.spec)
            for entry in live.resources
            if isinstance(entry.resource.spec, ServerSpec)
        }

    def servers(self) -> list[Object]:
        return [self._server(server) for server in self._inventory.servers]

    def _server(self, server: Server) -> Object:
        common = _common(replica.capabilities for replica in server.replicas)
        name = (server.namespace, server.name)
        return {
            "namespace": server.namespace,
            "name": server.name,
            "shared": server.shared,
            "expectedReplicas": self._expected.get(name, server.expected_replicas),
            "capabilities": list(common),
            "replicas": [self._replica(server.replica_id(r.index), r, common) for r in server.replicas],
        }

    def _replica(self, at: ReplicaId, replica: ServerReplica, common: Sequence[str]) -> Object:
        entry = self._live[at]
        own = {} if replica.capabilities == common else {"capabilities": list(replica.capabilities)}
        template = entry.template
        return {
            "index": replica.index,
            "state": replica.state,
            "reason": entry.reason,
            "message": entry.message,
            **own,
            "memory": {
                "capacity": replica.memory_capacity,
                "used": replica.used,
                "reserved": replica.reserved,
                "overcommitPercent": replica.overcommit_percent,
            },
            "resources": dict(replica.resources),
            "instances": replica.instances,
            "template": {
                "serverConfig": template.server_config,
                "serverType": template.server_type,
                "capabilities": list(template.capabilities),
                "environment": masked_environment(template.environment),
            },
            "models": [self._loaded(at, each) for each in replica.loaded],
        }

    def _loaded(self, at: ReplicaId, loaded: LoadedModel) -> Object:
        entry = self._models[at, loaded.model, loaded.version]
        return {
            "namespace": entry.namespace,
            "name": entry.model,
            "version": entry.version,
            "number": entry.number,
            "memory": entry.memory,
            "resources": dict(loaded.resources),
            "state": entry.state,
            "reason": entry.reason,
            "message": entry.message,
        }


def _common(offers: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """What most replicas offer; of several the first in order."""
    counts: dict[tuple[str, ...], int] = {}
    for each in offers:
        counts[each] = counts.get(each, 0) + 1
    return min(counts, key=lambda each: (-counts[each], each), default=())


def _replicas(spec: ServerSpec) -> int:
    return effective_scaling(spec.replicas, spec.min_replicas, spec.max_replicas).replicas
