"""Rules between the resources of one source.

What is referred to may live in another application, so a reference into nothing is a warning; that
two experiments claim one endpoint is an error for both. Linear in the number of resources.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from schemas.cycles import cycles, shown_cycle
from schemas.errors import InputError
from schemas.finding import Finding, did_you_mean, shown
from schemas.mentions import Mention, Role
from schemas.resource import KINDS, Resource, ResourceKey, key
from schemas.specs import PipelineSpec, ServerConfigSpec, ServerSpec
from schemas.template import server_template

_MOST_HINTED = 20  # a hint looks at every name, so many of them are not linear
_LONGEST_KEY = 400
# Looked up in the operator's namespace, which a source need not know.
_ANYWHERE = frozenset({"SeldonConfig", "ServerConfig"})


@dataclass(frozen=True)
class Relation:
    """A finding that only its neighbours show, at the place of ``mention``."""

    mention: Mention
    finding: Finding


@dataclass(frozen=True)
class Neighbours:
    """The resources of a source, what they mention, and which names exist although they are not
    among them: declared elsewhere, or broken."""

    resources: Mapping[ResourceKey, Resource]
    mentions: Mapping[Role, Sequence[Mention]]
    elsewhere: Mapping[ResourceKey, Resource]
    broken: Collection[ResourceKey]

    @cached_property
    def own(self) -> Mapping[str, Sequence[Resource]]:
        """The resources of the source by kind."""
        kinds: dict[str, list[Resource]] = {kind: [] for kind in KINDS}
        for resource in self.resources.values():
            kinds[resource.key.kind].append(resource)
        return kinds

    def all(self, kind: str) -> Iterator[Resource]:
        """Those of ``kind``: declared elsewhere first, so that the source's own can replace them."""
        yield from (item for item in self.elsewhere.values() if item.key.kind == kind)
        yield from self.own[kind]

    def named(self, kind: str, namespace: str) -> set[str]:
        """Every name of ``kind`` that is in use where a reference from ``namespace`` looks for it."""
        groups = (item.key for item in self.own[kind]), self.elsewhere, self.broken
        return {
            item.name
            for item in chain(*groups)
            if item.kind == kind and (kind in _ANYWHERE or item.namespace == namespace)
        }


def relations(neighbours: Neighbours) -> Iterator[Relation]:
    """All findings between resources; their order is not defined."""
    yield from _unknown_references(neighbours)
    yield from _pipeline_cycles(neighbours)
    yield from _dependencies(neighbours)
    yield from _taken_baselines(neighbours)
    yield from _server_templates(neighbours)
    yield from _missing_capabilities(neighbours)


def _unknown_references(neighbours: Neighbours) -> Iterator[Relation]:
    known: dict[tuple[str, str], set[str]] = {}
    hinted = 0
    for mention in neighbours.mentions["reference"]:
        scope = (mention.kind, mention.subject.namespace)
        names = known[scope] if scope in known else known.setdefault(scope, neighbours.named(*scope))
        if mention.name not in names:
            message = f"{mention.kind} {shown(mention.name)} is not in this source"
            hinted += 1
            hint = did_you_mean(mention.name, sorted(names)) if hinted <= _MOST_HINTED else ""
            yield _relation(
                mention, "UnknownReference", message, hint or "it may belong to another application"
            )
        elif mention.step:
            yield from _unknown_step(neighbours, mention)


def _unknown_step(neighbours: Neighbours, mention: Mention) -> Iterator[Relation]:
    other = neighbours.resources.get(key("Pipeline", mention.subject.namespace, mention.name))
    if other is not None and isinstance(other.spec, PipelineSpec):
        steps = [step.name for step in other.spec.steps]
        if mention.step not in steps:
            message = f"Pipeline {shown(mention.name)} has no step {shown(mention.step)}"
            yield _relation(mention, "UnknownReference", message, did_you_mean(mention.step, steps))


def _pipeline_cycles(neighbours: Neighbours) -> Iterator[Relation]:
    """Pipelines that need each other's data, or their own. The reference does not see these."""
    graphs: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    places: dict[tuple[ResourceKey, str], Mention] = {}
    for mention in neighbours.mentions["reference"]:
        if mention.kind == "Pipeline" and mention.subject.kind == "Pipeline":
            graphs[mention.subject.namespace][mention.subject.name].append(mention.name)
            places.setdefault((mention.subject, mention.name), mention)
    for namespace, graph in sorted(graphs.items()):
        for cycle in cycles(graph):
            subject, needed = key("Pipeline", namespace, cycle[0]), cycle[1 % len(cycle)]
            message = f"pipelines need each other's data: {shown_cycle(cycle)}"
            yield _relation(places[subject, needed], "CrossPipelineCycle", message, "")


def _dependencies(neighbours: Neighbours) -> Iterator[Relation]:
    """What is depended on and not here, and resources that wait for each other, or themselves."""
    graph: dict[str, list[str]] = defaultdict(list)
    places: dict[str, list[Mention]] = defaultdict(list)
    for mention in neighbours.mentions["dependency"]:
        other = key(mention.kind, mention.namespace, mention.name)
        graph[str(mention.subject)].append(str(other))
        places[str(mention.subject)].append(mention)
        if not any(
            other in known for known in (neighbours.resources, neighbours.elsewhere, neighbours.broken)
        ):
            message = f"{shown(str(other), _LONGEST_KEY)} is not in this source"
            yield _relation(mention, "UnknownReference", message, "it may belong to another application")
    for cycle in cycles(graph):
        message = f"resources wait for each other: {shown_cycle(cycle)}"
        for name in cycle:
            hint = "none of them is applied; remove one of the dependencies"
            yield _relation(places[name][0], "DependencyCycle", message, hint)


def _taken_baselines(neighbours: Neighbours) -> Iterator[Relation]:
    claims: dict[ResourceKey, list[Mention]] = defaultdict(list)
    for mention in neighbours.mentions["baseline"]:
        claims[key(mention.kind, mention.subject.namespace, mention.name)].append(mention)
    for baseline, claimed in claims.items():
        names = sorted(mention.subject.name for mention in claimed)[:8] if len(claimed) > 1 else []
        for mention in claimed if names else ():
            others = ", ".join(name for name in names if name != mention.subject.name)
            message = f"{baseline.kind} {shown(baseline.name)} is already the default of {others}"
            hint = "a model or pipeline can be the default of one experiment"
            yield _relation(mention, "BaselineTaken", message, hint)


def _configs(neighbours: Neighbours) -> dict[str, ServerConfigSpec]:
    found = neighbours.all("ServerConfig")
    return {item.key.name: item.spec for item in found if isinstance(item.spec, ServerConfigSpec)}


def _server_templates(neighbours: Neighbours) -> Iterator[Relation]:
    configs = _configs(neighbours)
    for mention in neighbours.mentions["template"]:
        spec = neighbours.resources[mention.subject].spec
        if isinstance(spec, ServerSpec):
            try:
                server_template(spec, configs.get(spec.server_config) or _NOTHING)
            except InputError as error:
                yield _relation(mention, "InvalidServerTemplate", error.message, error.hint)


_NOTHING = ServerConfigSpec(pod_spec={})


def _missing_capabilities(neighbours: Neighbours) -> Iterator[Relation]:
    offers = _offers(neighbours)
    asked: dict[tuple[str, str, frozenset[str]], _Lack | None] = {}
    for mention in neighbours.mentions["requirements"]:
        question = (mention.subject.namespace, mention.name, mention.needs)
        if question not in asked:
            asked[question] = _nearest(offers.get(question[0], {}), mention.name, mention.needs)
        lack = asked[question]
        if lack is not None:
            names = ", ".join(shown(name) for name in lack.capabilities[:8])
            message = f"no declared server has all requirements; the nearest, {lack.server}, lacks {names}"
            hint = "add the capability to a server, unless another application brings one"
            yield _relation(mention, "MissingCapability", message, hint)


@dataclass(frozen=True)
class _Lack:
    server: str
    capabilities: tuple[str, ...]


def _offers(neighbours: Neighbours) -> dict[str, dict[str, frozenset[str] | None]]:
    """Namespace → server → its capabilities, None where they cannot be known."""
    configs = _configs(neighbours)
    offers: dict[str, dict[str, frozenset[str] | None]] = defaultdict(dict)
    for item in neighbours.all("Server"):
        if isinstance(item.spec, ServerSpec):
            offers[item.key.namespace][item.key.name] = _capabilities(item.spec, configs)
    for broken in neighbours.broken:
        if broken.kind == "Server":
            offers[broken.namespace][broken.name] = None
    return offers


def _capabilities(server: ServerSpec, configs: Mapping[str, ServerConfigSpec]) -> frozenset[str] | None:
    config = configs.get(server.server_config)
    if config is None and not server.capabilities:
        return None
    try:
        return frozenset(server_template(server, config or _NOTHING).capabilities)
    except InputError:
        return None


def _nearest(offers: Mapping[str, frozenset[str] | None], pinned: str, needs: frozenset[str]) -> _Lack | None:
    """The server that lacks least (ties by name) and what it lacks; None where nothing is lacking or
    where a server is not known well enough to say."""
    lacks: list[tuple[int, str]] = []
    for name, offer in offers.items():
        if pinned and name != pinned:
            continue
        missing = needs - offer if offer is not None else frozenset()
        if not missing:
            return None
        lacks.append((len(missing), name))
    if not lacks:
        return None
    _, nearest = min(lacks)
    return _Lack(nearest, tuple(sorted(needs - (offers[nearest] or frozenset()))))


def _relation(mention: Mention, code: str, message: str, hint: str) -> Relation:
    return Relation(mention, Finding(code, mention.path, message, hint))
