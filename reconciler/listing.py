"""Resources as ``get`` shows them: the manifest that is applied, with a status as Kubernetes gives it.

Pure. The fields of ``status`` are the reference's; what it has no field for stands below
``status.moorage``. Health is not judged here but in :mod:`reconciler.health`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.health import Health, Observation, health
from reconciler.resource_status import ResourceStatus
from reconciler.secrecy import shown_resource
from reconciler.status import ApplicationStatus
from runtime.state import AppliedResource, LiveModelReplica, LiveServerReplica, LiveState
from schemas.encode import manifest
from schemas.resource import ResourceKey
from schemas.specs import ExperimentSpec, ModelSpec, PipelineSpec, ServerSpec

Object = dict[str, Any]

_CONDITION = {"Experiment": "ExperimentReady", "Model": "ModelReady", "Pipeline": "PipelineReady"}


def objects(
    live: LiveState,
    statuses: Iterable[ApplicationStatus],
    created: Mapping[str, str],
    kind: str | None = None,
    namespace: str | None = None,
) -> tuple[Object, ...]:
    """The applied resources of one kind and namespace, or of all, by key.

    ``created`` says when each was first applied, by the key's text.
    """
    listing = _Listing(live, statuses)
    return tuple(
        listing.object(entry, created.get(str(entry.resource.key)))
        for entry in live.resources
        if kind in (None, entry.resource.key.kind) and namespace in (None, entry.resource.key.namespace)
    )


class _Listing:
    """One live state and the statuses made from it, indexed by resource."""

    def __init__(self, live: LiveState, statuses: Iterable[ApplicationStatus]) -> None:
        self._live = live
        self._seen = Observation(live, None)
        self._statuses: dict[ResourceKey, ResourceStatus] = {
            resource.key: resource for status in statuses for resource in status.resources
        }

    def object(self, entry: AppliedResource, created: str | None) -> Object:
        value = manifest(shown_resource(entry.resource))
        if created is not None:
            value["metadata"]["creationTimestamp"] = created
        known = self._statuses.get(entry.resource.key)
        judged = known.health if known else health(entry.resource, self._seen)
        value["status"] = {
            "conditions": self._conditions(entry, judged),
            **self._facts(entry, judged),
            "moorage": {
                "application": entry.owner,
                "sync": known.sync if known else "Unknown",
                "health": judged.status,
                "file": entry.resource.origin.file,
                "line": entry.resource.origin.line,
                **self._details(entry),
            },
        }
        return value

    def _conditions(self, entry: AppliedResource, judged: Health) -> list[Object]:
        kind = entry.resource.key.kind
        names = [_CONDITION[kind], "Ready"] if kind in _CONDITION else ["Ready"]
        conditions = [_condition(name, _truth(judged), judged.reason, judged.message) for name in names]
        if isinstance(entry.resource.spec, ExperimentSpec):
            conditions[1:1] = self._member_conditions(entry)
        return conditions

    def _member_conditions(self, entry: AppliedResource) -> list[Object]:
        spec, namespace = entry.resource.spec, entry.resource.key.namespace
        assert isinstance(spec, ExperimentSpec)
        candidates = all(self._served(namespace, candidate.name) for candidate in spec.candidates)
        mirror = spec.mirror is None or self._served(namespace, spec.mirror.name)
        return [
            _member_condition("Candidates", candidates),
            _member_condition("Mirror", mirror),
        ]

    def _served(self, namespace: str, model: str) -> bool:
        return any(self._serves(each) for each in self._seen.models.get((namespace, model), ()))

    def _serves(self, replica: LiveModelReplica) -> bool:
        return replica.state == "Loaded" and self._seen.states.get(replica.replica) == "Ready"

    def _facts(self, entry: AppliedResource, judged: Health) -> Object:
        match entry.resource.spec:
            case ModelSpec():
                servers = sorted({each.replica.server for each in self._models(entry) if self._serves(each)})
                facts = {"replicas": judged.desired, "availableReplicas": judged.available}
                return {**facts, "selector": f"server={servers[0]}"} if servers else facts
            case ServerSpec():
                loaded = sum(each.state == "Loaded" for each in self._models_on(entry))
                return {"replicas": judged.available, "loadedModels": loaded}
        return {}

    def _details(self, entry: AppliedResource) -> Object:
        match entry.resource.spec:
            case ModelSpec() as spec:
                return {"replicas": [_model_replica(each, spec) for each in self._models(entry)]}
            case ServerSpec():
                return {"replicas": [_server_replica(each) for each in self._replicas(entry)]}
            case PipelineSpec() as spec:
                missing = sorted(
                    {s.name for s in spec.steps if not self._served(entry.resource.key.namespace, s.name)}
                )
                return {"missingModels": missing}
        return {}

    def _models(self, entry: AppliedResource) -> Sequence[LiveModelReplica]:
        return self._seen.models.get((entry.resource.key.namespace, entry.resource.key.name), ())

    def _models_on(self, entry: AppliedResource) -> Iterable[LiveModelReplica]:
        name = (entry.resource.key.namespace, entry.resource.key.name)
        return (m for m in self._live.models if (m.replica.namespace, m.replica.server) == name)

    def _replicas(self, entry: AppliedResource) -> Iterable[LiveServerReplica]:
        return self._seen.servers.get((entry.resource.key.namespace, entry.resource.key.name), ())


def _server_replica(replica: LiveServerReplica) -> Object:
    return {
        "index": replica.id.index,
        "state": replica.state,
        "capabilities": list(replica.capabilities),
        "memory": replica.template.memory,
        "overcommitPercent": replica.template.overcommit_percent,
        "reason": replica.reason,
        "message": replica.message,
    }


def _model_replica(replica: LiveModelReplica, spec: ModelSpec) -> Object:
    return {
        "server": replica.replica.server,
        "index": replica.replica.index,
        "version": f"{replica.model}_{replica.number}",
        "state": replica.state,
        "current": replica.version == spec.version,
        "message": replica.message,
    }


def _truth(judged: Health) -> str:
    return {"Healthy": "True", "Unknown": "Unknown"}.get(judged.status, "False")


def _member_condition(members: str, served: bool) -> Object:
    message = "" if served else "not all are served"
    return _condition(f"{members}Ready", str(served), f"{members}{'' if served else 'Not'}Ready", message)


def _condition(name: str, status: str, reason: str, message: str) -> Object:
    return {"type": name, "status": status, "reason": reason, "message": message}
