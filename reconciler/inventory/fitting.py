"""An inventory file and what Git wants, joined to the input of one plan.

Texts that are digests in the file are put back where Git knows them, and what a file that was written by
hand does not say gets the meaning that the schema gives it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from placement.inventory import ReplicaId
from reconciler.desired import Desired
from reconciler.inventory.masking import Known
from reconciler.inventory.reading import InventoryFile
from reconciler.planning.planner import Policy, plan
from runtime.capabilities import RUNTIME_TAGS
from runtime.state import EnvironmentFacts, LiveServerReplica, LiveState
from schemas.resource import Resource
from schemas.specs import ServerSpec
from schemas.template import ServerTemplate


def fitted(
    file: InventoryFile, desired: Desired, policy: Policy, declared: Iterable[Resource] = ()
) -> tuple[Desired, LiveState]:
    """What is wanted and what lives, for a plan from ``file``.

    ``declared`` are further resources whose texts are known: those of the configuration.
    """
    known = Known((*desired.resources, *declared), policy.server_configs.values())
    wanted, live = described(desired, file), _unmasked(file.live, known)
    if file.anything_runs:
        live = replace(live, environments=_everything_runs(wanted, live))
    if file.untold:
        live = replace(live, servers=tuple(_told(wanted, live, policy, file.untold)))
    return wanted, live


def described(desired: Desired, file: InventoryFile) -> Desired:
    """What is wanted beside the servers that the file describes as they shall be."""
    kept = tuple(r for r in desired.resources if not _is_described(r, file))
    return replace(desired, resources=kept)


def _is_described(resource: Resource, file: InventoryFile) -> bool:
    described = (resource.key.namespace, resource.key.name) in file.described
    return described and isinstance(resource.spec, ServerSpec)


def _unmasked(live: LiveState, known: Known) -> LiveState:
    return replace(
        live,
        resources=tuple(replace(e, resource=known.unmasked(e.resource)) for e in live.resources),
        servers=tuple(replace(e, template=_unmasked_template(e.template, known)) for e in live.servers),
    )


def _unmasked_template(template: ServerTemplate, known: Known) -> ServerTemplate:
    return replace(template, environment=known.unmasked_environment(template.environment))


def _everything_runs(wanted: Desired, live: LiveState) -> dict[str, EnvironmentFacts]:
    resources = (*wanted.resources, *(entry.resource for entry in live.resources))
    names = {r.spec.server_config for r in resources if isinstance(r.spec, ServerSpec)}
    runtimes = tuple(sorted(RUNTIME_TAGS))
    facts = {name: EnvironmentFacts(name, runnable=True, runtimes=runtimes) for name in sorted(names)}
    return {**facts, **live.environments}


def _told(
    wanted: Desired, live: LiveState, policy: Policy, untold: frozenset[ReplicaId]
) -> Iterator[LiveServerReplica]:
    """The live server replicas; one without a template has what its Server asks for, at its own size."""
    moves = plan(wanted, live, policy).server_moves
    asked = {move.replica: move.template for move in moves if move.replica in untold}
    for entry in live.servers:
        template = asked.get(entry.id)
        if template is not None:
            has = entry.template
            template = replace(template, memory=has.memory, overcommit_percent=has.overcommit_percent)
            yield replace(entry, template=template)
        else:
            yield entry
