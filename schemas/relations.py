"""Rules between the resources of one source.

What is referred to may live in another application, so a reference into nothing is a warning; that
two experiments claim one endpoint is an error for both. Linear in the number of resources.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.cycles import cycles
from schemas.errors import InputError
from schemas.finding import Finding, did_you_mean
from schemas.mentions import Mention, candidate_kind
from schemas.resource import Resource, ResourceKey, key
from schemas.specs import ExperimentSpec, ModelSpec, PipelineSpec, ServerConfigSpec, ServerSpec
from schemas.template import server_template

EXPLAINER_CAPABILITY = "alibi-explain"
# Looked up in the operator's namespace, which a source need not know.
_ANYWHERE = frozenset({"SeldonConfig", "ServerConfig"})


@dataclass(frozen=True)
class Relation:
    """A finding about ``subject`` that only its neighbours show; ``mention`` is where, if somewhere."""

    subject: ResourceKey
    finding: Finding
    mention: Mention | None = None


@dataclass(frozen=True)
class Neighbours:
    """The resources of a source, what they mention, and which names exist although they are not
    among them: declared elsewhere, or broken."""

    resources: Mapping[ResourceKey, Resource]
    mentions: Sequence[Mention]
    elsewhere: Mapping[ResourceKey, Resource]
    broken: Collection[ResourceKey]


def relations(neighbours: Neighbours) -> Iterator[Relation]:
    """All findings between resources; their order is not defined."""
    yield from _unknown_references(neighbours)
    yield from _pipeline_cycles(neighbours)
    yield from _taken_baselines(neighbours)
    yield from _server_templates(neighbours)
    yield from _missing_capabilities(neighbours)


def _unknown_references(neighbours: Neighbours) -> Iterator[Relation]:
    known: dict[tuple[str, str], set[str]] = defaultdict(set)
    for group in (neighbours.resources, neighbours.elsewhere, neighbours.broken):
        for item in group:
            known[item.kind, _scope(item.kind, item.namespace)].add(item.name)
    for mention in neighbours.mentions:
        if mention.kind == "Capability":
            continue
        names = known[mention.kind, _scope(mention.kind, mention.subject.namespace)]
        if mention.name not in names:
            message = f"{mention.kind} {mention.name[:64]} is not in this source"
            hint = did_you_mean(mention.name, sorted(names)) or "it may belong to another application"
            yield _relation(mention, "UnknownReference", message, hint)
        elif mention.step:
            yield from _unknown_step(neighbours, mention)


def _scope(kind: str, namespace: str) -> str:
    return "" if kind in _ANYWHERE else namespace


def _unknown_step(neighbours: Neighbours, mention: Mention) -> Iterator[Relation]:
    other = neighbours.resources.get(key("Pipeline", mention.subject.namespace, mention.name))
    if other is not None and isinstance(other.spec, PipelineSpec):
        steps = [step.name for step in other.spec.steps]
        if mention.step not in steps:
            message = f"Pipeline {mention.name[:64]} has no step {mention.step[:64]}"
            yield _relation(mention, "UnknownReference", message, did_you_mean(mention.step, steps))


def _pipeline_cycles(neighbours: Neighbours) -> Iterator[Relation]:
    """Pipelines that need each other's data, or their own. The reference does not see these."""
    graphs: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    places: dict[tuple[ResourceKey, str], Mention] = {}
    for mention in neighbours.mentions:
        if mention.kind == "Pipeline" and mention.subject.kind == "Pipeline":
            graphs[mention.subject.namespace][mention.subject.name].append(mention.name)
            places.setdefault((mention.subject, mention.name), mention)
    for namespace, graph in sorted(graphs.items()):
        for cycle in cycles(graph):
            subject, needed = key("Pipeline", namespace, cycle[0]), cycle[1 % len(cycle)]
            shown = " → ".join((*cycle[:8], "…") if len(cycle) > 8 else (*cycle, cycle[0]))
            message = f"pipelines need each other's data: {shown}"
            yield _relation(places[subject, needed], "CrossPipelineCycle", message, "")


def _taken_baselines(neighbours: Neighbours) -> Iterator[Relation]:
    owners: dict[ResourceKey, list[ResourceKey]] = defaultdict(list)
    for resource in neighbours.resources.values():
        if isinstance(resource.spec, ExperimentSpec) and resource.spec.default:
            kind = candidate_kind(resource.spec)
            owners[key(kind, resource.key.namespace, resource.spec.default)].append(resource.key)
    for baseline, experiments in owners.items():
        for subject in experiments if len(experiments) > 1 else ():
            others = ", ".join(sorted(other.name for other in experiments if other != subject)[:8])
            message = f"{baseline.kind} {baseline.name[:64]} is already the default of {others}"
            hint = "a model or pipeline can be the default of one experiment"
            yield Relation(subject, Finding("BaselineTaken", ("spec", "default"), message, hint))


def _configs(neighbours: Neighbours) -> dict[str, ServerConfigSpec]:
    """By name; what the source declares hides what is declared elsewhere."""
    return {
        item.key.name: item.spec
        for group in (neighbours.elsewhere, neighbours.resources)
        for item in group.values()
        if isinstance(item.spec, ServerConfigSpec)
    }


def _server_templates(neighbours: Neighbours) -> Iterator[Relation]:
    configs = _configs(neighbours)
    for resource in neighbours.resources.values():
        if isinstance(resource.spec, ServerSpec) and resource.spec.pod_spec:
            try:
                server_template(resource.spec, configs.get(resource.spec.server_config) or _NOTHING)
            except InputError as error:
                finding = Finding("InvalidServerTemplate", ("spec", "podSpec"), error.message, error.hint)
                yield Relation(resource.key, finding)


_NOTHING = ServerConfigSpec(pod_spec={})


def _missing_capabilities(neighbours: Neighbours) -> Iterator[Relation]:
    offers = _offers(neighbours)
    missing: dict[tuple[str, str, frozenset[str]], tuple[str, tuple[str, ...]] | None] = {}
    for mention in neighbours.mentions:
        if mention.kind != "Capability":
            continue
        spec = neighbours.resources[mention.subject].spec
        assert isinstance(spec, ModelSpec)
        question = (mention.subject.namespace, spec.server or "", _needs(spec))
        if question not in missing:
            missing[question] = _nearest(offers.get(question[0], {}), question[1], question[2])
        answer = missing[question]
        if answer is not None:
            server, lacking = answer
            message = (
                f"no declared server has all requirements; the nearest, {server}, lacks {', '.join(lacking)}"
            )
            yield _relation(
                mention, "MissingCapability", message, "a server of another application may have them"
            )


def _needs(spec: ModelSpec) -> frozenset[str]:
    extra = [spec.model_type or "", EXPLAINER_CAPABILITY if spec.explainer else ""]
    return frozenset(name.strip() for name in (*spec.requirements, *extra)) - {""}


def _offers(neighbours: Neighbours) -> dict[str, dict[str, frozenset[str] | None]]:
    """Namespace → server → its capabilities, None where they cannot be known."""
    configs = _configs(neighbours)
    offers: dict[str, dict[str, frozenset[str] | None]] = defaultdict(dict)
    for group in (neighbours.elsewhere, neighbours.resources):
        for item in group.values():
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


def _nearest(
    offers: Mapping[str, frozenset[str] | None], pinned: str, needs: frozenset[str]
) -> tuple[str, tuple[str, ...]] | None:
    """The server that lacks least (ties by name) and what it lacks; None where nothing is lacking or
    where a server is not known well enough to say."""
    asked = {name: offer for name, offer in offers.items() if not pinned or name == pinned}
    lacking: list[tuple[int, str, tuple[str, ...]]] = []
    for name, offer in asked.items():
        lacks = needs - offer if offer is not None else frozenset()
        if not lacks:
            return None
        lacking.append((len(lacks), name, tuple(sorted(lacks))))
    if not lacking:
        return None
    _, name, lacks_sorted = min(lacking)
    return name, lacks_sorted


def _relation(mention: Mention, code: str, message: str, hint: str) -> Relation:
    return Relation(mention.subject, Finding(code, mention.path, message, hint), mention)
