"""The cheapest single change that would place a model, found by looking and proved by placing again.

Kinds and their order stand in :mod:`placement.why.remedy`. Every remedy that leaves here was tried: the engine
placed the model on the changed input. It is asked about the changed server only, which is sound: the
model is not placed as it wants to be, so no other server has as many suitable replicas as it wants, and
a change of one server changes no answer of another.

10,000 models that fit nowhere must not cost 10,000 looks at every server: servers are surveyed once per
class of models (:mod:`placement.why.prospects`) and ranked by what they have room for, so a model finds its
server by bisection; what servers say to models that they know themselves is asked anew. Equal demands of
which nothing is loaded are answered once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory, LoadedModel, Server
from placement.policy import REFERENCE, Policy
from placement.why.field import Field
from placement.why.prospects import Answers, prospects
from placement.why.remedy import Remedy, apply, required_by, tell
from schemas.placement_annotations import Resources

_Class = tuple[tuple[str, ...], bool, Resources]
_Candidate = tuple[Remedy, tuple[Server, ...]]
"""What may help, and the servers as they are now that it changes or leads to."""


class Advisor:
    """Remedies against one inventory, which is the one after the plan.

    A search and its proof cost up to a millisecond, the first one of a class as much as one per ten
    servers; after ``searches`` of them what was not answered before gets no answer. None is no bound.
    """

    def __init__(self, inventory: Inventory, policy: Policy = REFERENCE, searches: int | None = None) -> None:
        self._policy = policy
        self._searches = searches
        servers: dict[str, list[Server]] = {}
        for server in inventory.servers:
            servers.setdefault(server.namespace, []).append(server)
        self._namespaces = {name: _Namespace(group) for name, group in servers.items()}
        self._answered: dict[Demand, Remedy | None] = {}

    def remedy(self, demand: Demand) -> Remedy | None:
        """The cheapest change that places the demand, or completes it where it is partly placed; None where
        no single one does, and where it needs none."""
        namespace = self._namespaces.get(demand.namespace) or _Namespace([])
        if namespace.entries.get(demand.model):
            return self._search(demand, namespace)
        alike = replace(demand, model="", version="", priority=0)
        if alike not in self._answered:
            self._answered[alike] = self._search(demand, namespace)
        return self._answered[alike]

    def _search(self, demand: Demand, namespace: "_Namespace") -> Remedy | None:
        if self._searches is not None:
            if self._searches <= 0:
                return None
            self._searches -= 1 + namespace.survey_cost(demand)
        if demand.replicas <= 0 and self._is_whole(demand, Inventory(namespace.servers)):
            return None  # what is scaled to 0 asks less of a replica than the candidates know
        candidates = namespace.candidates(demand)
        return next((tell(remedy) for remedy, near in candidates if self._helps(remedy, demand, near)), None)

    def _helps(self, remedy: Remedy, demand: Demand, near: tuple[Server, ...]) -> bool:
        """True where the engine then places the model; for ``near`` alone, as all others reject it."""
        asked, inventory = apply(remedy, demand, Inventory(near))
        return self._is_whole(asked, inventory, partly=remedy.kind == "LowerMinReplicas")

    def _is_whole(self, demand: Demand, inventory: Inventory, *, partly: bool = False) -> bool:
        (found,) = place([demand], inventory, self._policy).assignments
        return found.outcome in ("Scheduled", "ScaledDown") or (
            partly and found.outcome == "PartiallyScheduled"
        )


class _Namespace:
    """The servers that the models of one namespace may use, and what they have of each model."""

    def __init__(self, servers: list[Server]) -> None:
        self.servers = tuple(servers)
        self._servers = {server.name: server for server in servers}
        self._fields: dict[_Class, Field] = {}
        self.entries: dict[str, list[tuple[Server, LoadedModel]]] = {}
        for server in servers:
            for replica in server.replicas:
                for entry in replica.loaded:
                    self.entries.setdefault(entry.model, []).append((server, entry))

    def survey_cost(self, demand: Demand) -> int:
        """How many searches the first look at all servers counts for; 0 where it was had."""
        surveyed = demand.server is not None or _class(demand) in self._fields
        return 0 if surveyed else len(self.servers) // 10

    def candidates(self, demand: Demand) -> Iterator[_Candidate]:
        """What may help, cheapest first; nothing where the demand is served as it wants to be."""
        asked = _question(demand)
        known = {s.name: s for s, entry in self._entries_of(demand) if entry.version == demand.version}
        fields = self._pinned(asked) if asked.server is not None else self._open(asked, known)
        if any(field.suitable(asked.memory, asked.replicas, skipped) for field, skipped in fields):
            return
        if not demand.recreate and (old := self._old(demand)):
            yield Remedy("Recreate"), old
        if asked.server is not None:
            yield from self._awaited(asked, asked.server)
        yield from _changes(asked, fields)

    def _entries_of(self, demand: Demand) -> list[tuple[Server, LoadedModel]]:
        return self.entries.get(demand.model, [])

    def _old(self, demand: Demand) -> tuple[Server, ...]:
        """Servers that have other versions of the model."""
        old = {s.name: s for s, entry in self._entries_of(demand) if entry.version != demand.version}
        return tuple(old[name] for name in sorted(old))

    def _awaited(self, demand: Demand, name: str) -> Iterator[_Candidate]:
        """What a model waits for that names a server which is not there."""
        server = self._servers.get(name)
        if server is None or not server.replicas:
            kind: Literal["ScaleServer", "CreateServer"] = "CreateServer" if server is None else "ScaleServer"
            remedy = Remedy(kind, name, demand.replicas, demand.memory, capabilities=required_by(demand))
            yield remedy, () if server is None else (server,)

    def _pinned(self, demand: Demand) -> "_Fields":
        server = self._servers.get(demand.server or "")
        return [(_survey(demand, [server] if server else []), frozenset())]

    def _open(self, demand: Demand, known: Mapping[str, Server]) -> "_Fields":
        """Of all servers as strangers see them, but for those that know this version: these themselves."""
        key = _class(demand)
        if key not in self._fields:
            stranger = replace(demand, model="", version="")
            self._fields[key] = _survey(stranger, self._servers.values())
        strangers = self._fields[key], frozenset(known)
        return [strangers, (_survey(demand, known.values()), frozenset())] if known else [strangers]


_Fields = list[tuple[Field, frozenset[str]]]


def _class(demand: Demand) -> _Class:
    return demand.requirements, demand.explainer, demand.resources


def _question(demand: Demand) -> Demand:
    """What to look for: a model scaled to 0 only wants to know of a replica that could have it."""
    if demand.replicas > 0:
        return demand
    return replace(demand, replicas=1, min_replicas=0, memory=0, resources=(), explainer=False)


def _survey(demand: Demand, servers: Iterable[Server]) -> Field:
    answers = Answers(demand)
    seen = (prospects(demand, server, answers) for server in servers)
    return Field([found for found in seen if found is not None])


def _changes(demand: Demand, fields: _Fields) -> Iterator[_Candidate]:
    """Of every kind the least, over all fields."""
    memory, count = demand.memory, demand.replicas
    for ask in (Field.more_replicas, Field.more_memory, Field.more_resources, Field.more_capabilities):
        offers = [offer for field, skipped in fields if (offer := ask(field, memory, count, skipped))]
        for offer in sorted(offers):
            yield offer.remedy, (offer.server,)
    partial = [
        offer for field, skipped in fields if (offer := field.some(memory, count, skipped)) is not None
    ]
    for offer in sorted(partial):
        placed = 0 < demand.min_replicas <= offer.remedy.replicas
        kind: Literal["FewerReplicas", "LowerMinReplicas"] = "FewerReplicas" if placed else "LowerMinReplicas"
        yield replace(offer.remedy, kind=kind), (offer.server,)
