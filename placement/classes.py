"""Requirement classes and kinds of replicas: questions are asked once per pair, not once per model.

Models with the same needs form a class (:class:`Need`), replicas in the same state with the same
capabilities a kind (:class:`Kind`). What a kind says to a class (:class:`Standing`) is found out by
asking the filters about a probe; nothing here repeats what they know.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from placement.demand import Demand
from placement.filters import lacking, reject_replica, required_capabilities, undersized
from placement.inventory import LoadedModel, ReplicaState, ServerReplica
from placement.placement import VerdictReason
from schemas.placement_annotations import Resources


@dataclass(frozen=True, eq=False)
class Need:
    """Everything but memory that a replica is asked for. There is one object per class in a
    :class:`Classes`, so identity is equality and lookups hash no strings."""

    capabilities: tuple[str, ...]
    explainer: bool
    resources: Resources = ()
    base: "Need | None" = None

    @property
    def bare(self) -> "Need":
        """The class that asks for the same, but for no resources."""
        return self.base or self


@dataclass(frozen=True, eq=False)
class Kind:
    """Everything but what is free that a replica answers from. One object per kind, as with :class:`Need`."""

    state: ReplicaState
    capabilities: tuple[str, ...]
    resources: Resources


class Standing(NamedTuple):
    """What a class hears from replicas of one kind: when empty, without memory, whether a holder keeps the
    model, and how many capabilities (or sizes of resources) are lacking."""

    roomy: VerdictReason
    full: VerdictReason
    keeps: bool
    lacking: int

    @property
    def takes(self) -> bool:
        """True where new models are taken, room permitting."""
        return self.roomy == "Accepted"

    @property
    def depends(self) -> bool:
        """True where the answer depends on what is free: nothing earlier speaks against it."""
        return self.full == "InsufficientMemory"

    @property
    def capable(self) -> bool:
        """True where freeing something could help: resources, too, are large enough."""
        return self.full == "InsufficientMemory" and self.roomy != "InsufficientResources"


_Wish = tuple[tuple[str, ...], bool, Resources]


class Classes:
    """The classes and kinds met so far, and what they say to each other."""

    def __init__(self) -> None:
        self._spellings: dict[_Wish, Need] = {}
        self._needs: dict[_Wish, Need] = {}
        self._kinds: dict[tuple[ReplicaState, tuple[str, ...], Resources], Kind] = {}
        self._standings: dict[tuple[Need, Kind, int], Standing] = {}

    def need(self, demand: Demand) -> Need:
        """The class of a demand; each spelling of requirements is read once."""
        spelling = demand.requirements, demand.explainer, demand.resources
        need = self._spellings.get(spelling)
        if need is None:
            meaning = required_capabilities(demand), demand.explainer, demand.resources
            need = self._spellings[spelling] = self._class(meaning)
        return need

    def _class(self, meaning: _Wish) -> Need:
        capabilities, explainer, resources = meaning
        if meaning not in self._needs:
            base = self._class((capabilities, explainer, ())) if resources else None
            self._needs[meaning] = Need(capabilities, explainer, resources, base)
        return self._needs[meaning]

    def kind(self, replica: ServerReplica) -> Kind:
        """The kind of a replica."""
        key = replica.state, replica.capabilities, replica.resources
        kind = self._kinds.get(key)
        return kind or self._kinds.setdefault(key, Kind(*key))

    def standing(self, need: Need, kind: Kind) -> Standing:
        """What replicas of a kind say to a class."""
        # of resources no more is told than how many are too small, so classes share what they hear
        small = undersized(need.resources, kind.resources) if need.resources else 0
        key = need.base or need, kind, small
        standing = self._standings.get(key)
        if standing is None:
            standing = self._standings[key] = _ask(need, kind)
        return standing


def _ask(need: Need, kind: Kind) -> Standing:
    probe = Demand(
        "", "probe", "probe", need.capabilities, 0, explainer=need.explainer, resources=need.resources
    )
    bare = ServerReplica(0, kind.state, kind.capabilities, 0, 0, resources=kind.resources)
    holder = replace(bare, loaded=(LoadedModel("probe", "probe", 0, "Loaded"),))
    roomy = reject_replica(probe, bare)
    full = reject_replica(replace(probe, memory=1), bare)
    assert full is not None  # a replica without memory rejects whatever asks for some
    keeps = reject_replica(probe, holder) is None
    return Standing(roomy.reason if roomy else "Accepted", full.reason, keeps, lacking(full.numbers))
