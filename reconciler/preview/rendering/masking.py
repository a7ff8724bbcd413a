"""A preview as everybody may read it who reads the pull request: nothing of other applications is named.

Pure. Their models, experiments and failures lose name, version and place, and are counted; with ``public`` their
servers have aliases, too. Verdict, amounts and digests are those of the whole preview. Secrets are masked long
before (:mod:`reconciler.secrecy`).
"""

from collections.abc import Iterable
from dataclasses import replace

from reconciler.planning.plan import Failure, Load, Plan, RouteChange, Turn, Unload
from reconciler.preview.preview import (
    ApplicationPreview,
    ModelAt,
    Note,
    Preview,
    ReplicaChange,
    ServingChange,
    Standing,
)
from reconciler.preview.rendering.aliases import ANOTHER_MODEL, Aliases
from reconciler.preview.rendering.ownership import OTHERS, Owners
from runtime.routes import MirrorTarget, Route, Target, WeightedTarget
from schemas.resource import ResourceKey, key

_EXPERIMENT = ".experiment"


def for_readers(preview: Preview, *, public: bool) -> Preview:
    """``preview`` without the names of others; ``public`` says whether everybody reads it."""
    masks = _Masks(preview, public=public)
    return replace(
        preview,
        applications=tuple(masks.application(each) for each in preview.applications),
        replicas=tuple(masks.replica(each) for each in preview.replicas),
        needs=tuple(sorted({masks.aliases.text(each) for each in preview.needs})),
        notes=masks.notes(preview.notes),
    )


class _Masks:
    def __init__(self, preview: Preview, *, public: bool) -> None:
        self.owners = Owners(preview)
        self.aliases = Aliases(preview, self.owners, public=public)

    def application(self, each: ApplicationPreview) -> ApplicationPreview:
        text = self.aliases.text
        return replace(
            each,
            plan=self.plan(each.plan),
            changes=tuple(replace(change, message=text(change.message)) for change in each.changes),
            serving=tuple(self.serving(change) for change in each.serving),
            failures=self.failures(each.failures),
            waiting_failures=self.failures(each.waiting_failures),
            mended=self.failures(each.mended),
            warnings=tuple(replace(warning, message=text(warning.message)) for warning in each.warnings),
            problems=tuple(
                replace(problem, message=text(problem.message), hint=text(problem.hint))
                for problem in each.problems
            ),
            notes=self.notes(each.notes),
        )

    def notes(self, notes: Iterable[Note]) -> tuple[Note, ...]:
        return tuple(replace(note, message=self.aliases.text(note.message)) for note in notes)

    # What changes for readers.

    def serving(self, change: ServingChange) -> ServingChange:
        if self.owners.is_own(change.key):
            before, after = self.standing(change.before), self.standing(change.after)
            return replace(change, before=before, after=after)
        return replace(change, key=_nameless(change.key), owner=OTHERS, before=None, after=None)

    def standing(self, standing: Standing | None) -> Standing | None:
        if standing is None:
            return None
        return replace(standing, replicas=tuple(self.aliases.replica(at) for at in standing.replicas))

    def failures(self, failures: Iterable[Failure]) -> tuple[Failure, ...]:
        return tuple(self.failure(failure) for failure in failures)

    def failure(self, failure: Failure) -> Failure:
        if not self.owners.is_own(failure.key):
            return replace(failure, key=_nameless(failure.key), message="", remedy=None)
        remedy, text = failure.remedy, self.aliases.text
        if remedy is not None:
            remedy = replace(remedy, server=self.aliases.server(remedy.server), message=text(remedy.message))
        return replace(failure, message=text(failure.message), remedy=remedy)

    def replica(self, change: ReplicaChange) -> ReplicaChange:
        return replace(
            change,
            replica=self.aliases.replica(change.replica),
            owner=change.owner if self.owners.is_own_name(change.owner) else OTHERS,
            comes=tuple(self.model(model) for model in change.comes),
            goes=tuple(self.model(model) for model in change.goes),
            stays=tuple(self.model(model) for model in change.stays),
        )

    def model(self, model: ModelAt) -> ModelAt:
        if self.is_own_model(model.namespace, model.model):
            return model
        return ModelAt("", "", "", OTHERS, model.memory)

    def is_own_model(self, namespace: str, name: str) -> bool:
        return self.owners.is_own(key("Model", namespace, name))

    # The plan.

    def plan(self, plan: Plan) -> Plan:
        """What it does to others is left out; its digests stay."""
        loads = tuple(self.load(each) for each in plan.loads if self.is_own_model(each.namespace, each.model))
        text, versions = self.aliases.text, {load.version for load in loads}
        return replace(
            plan,
            server_moves=tuple(
                replace(move, replica=self.aliases.replica(move.replica)) for move in plan.server_moves
            ),
            loads=loads,
            unloads=self.unloads(plan.unloads),
            routes=tuple(self.route_change(each) for each in plan.routes if self.is_own_route(each)),
            failures=self.failures(each for each in plan.failures if self.owners.is_own(each.key)),
            held=tuple(replace(held, message=text(held.message)) for held in plan.held),
            warnings=tuple(replace(warning, message=text(warning.message)) for warning in plan.warnings),
            capacity=tuple(replace(c, replica=self.aliases.replica(c.replica)) for c in plan.capacity),
            specs={version: spec for version, spec in plan.specs.items() if version in versions},
            rebalance=(),
            turns=tuple(self.turn(turn) for turn in plan.turns if self.owners.is_own(turn.key)),
        )

    def load(self, load: Load) -> Load:
        return replace(load, replica=self.aliases.replica(load.replica), needs=self.unloads(load.needs))

    def unloads(self, unloads: Iterable[Unload]) -> tuple[Unload, ...]:
        own = (each for each in unloads if self.is_own_model(each.namespace, each.model))
        return tuple(replace(each, replica=self.aliases.replica(each.replica)) for each in own)

    def turn(self, turn: Turn) -> Turn:
        return replace(turn, after=tuple(each for each in turn.after if self.owners.is_own(each)))

    def is_own_route(self, change: RouteChange) -> bool:
        name = change.name.removesuffix(_EXPERIMENT)
        kind = "Model" if name == change.name else "Experiment"
        return self.owners.is_own(key(kind, change.namespace, name))

    def route_change(self, change: RouteChange) -> RouteChange:
        return replace(
            change,
            before=self.route(change.before),
            via=tuple(self.route(stage) for stage in change.via),
            after=self.route(change.after),
        )

    def route(self, route: Route | None) -> Route | None:
        if route is None:
            return None
        namespace, mirror = route.namespace, route.mirror
        default = route.default
        if default is not None and not self.is_own_model(namespace, default):
            default = ANOTHER_MODEL
        return replace(
            route,
            targets=tuple(
                WeightedTarget(self.target(namespace, each.target), each.weight) for each in route.targets
            ),
            mirror=mirror and MirrorTarget(self.target(namespace, mirror.target), mirror.percent),
            default=default,
        )

    def target(self, namespace: str, target: Target) -> Target:
        replicas = tuple(self.aliases.replica(at) for at in target.replicas)
        if self.is_own_model(namespace, target.model):
            return replace(target, replicas=replicas)
        return Target(ANOTHER_MODEL, "", replicas)


def _nameless(resource: ResourceKey) -> ResourceKey:
    return key(resource.kind, "", "")
