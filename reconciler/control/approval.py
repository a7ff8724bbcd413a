"""Whether a plan is the one that a pull request showed, or that somebody approved. Pure.

A plan is found by what the merge makes of the tree: commit ids are in no digest, so merge, squash and rebase
are alike, and nobody need have been told of the merge yet. Approval compares the effects (the plan's digest);
where these differ, the parts of the basis tell what changed in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from reconciler.control.intent import ApprovedPlan
from reconciler.planning.differences import differences
from reconciler.planning.plan import Plan

Standing = Literal["", "Matches", "Approved", "PlanDiffers", "NoApprovedPlan"]
"""Empty where nothing is previewed of that application and nothing has to be."""

LETS_THROUGH: Final[frozenset[Standing]] = frozenset({"", "Matches", "Approved"})

_FACTS: Final[Mapping[str, str]] = {
    "planner": "another release of Moorage plans",
    "application": "the application's name or namespace",
    "tree": "the manifests: the base branch moved, or something else was merged",
    "resources": "what is applied",
    "servers": "server replicas",
    "models": "loaded models",
    "routes": "routes",
    "environments": "what servers can be run here",
    "policy": "configuration, or what people decided",
}
"""Parts of a basis, in words."""


@dataclass(frozen=True)
class Previewed:
    """What a pull request showed of one application: the plan of its merge, the manifests it is of (``tree``)
    and the parts of its basis. ``where`` names the pull request, ``merge_commit`` is empty until it is merged."""

    application: str
    tree: str
    plan: Plan
    facts: Mapping[str, str]
    where: str
    url: str
    at: datetime
    merge_commit: str = ""


class Previews(Protocol):
    """What pull requests showed."""

    def previewed(self, application: str) -> Sequence[Previewed] | None:
        """Everything that was shown of an application and may still be merged, or just was; None where its
        pull requests are not previewed."""


class NoPreviews:
    """Previews of nothing."""

    def previewed(self, application: str) -> Sequence[Previewed] | None:  # noqa: ARG002 (the protocol's)
        """None."""
        return None


NO_PREVIEWS: Final = NoPreviews()


@dataclass(frozen=True)
class PlanStanding:
    """How a plan stands to what was shown. ``where`` and ``url`` are the pull request, ``digest`` what it
    showed; ``changed`` are facts that changed in between, ``difference`` lines of what only one of the two plans
    does. ``by`` approved it, and it holds ``until`` then (None for ever)."""

    standing: Standing = ""
    where: str = ""
    url: str = ""
    digest: str = ""
    changed: tuple[str, ...] = ()
    difference: tuple[str, ...] = ()
    by: str = ""
    until: datetime | None = None

    @property
    def passes(self) -> bool:
        """True where a policy that asks for a previewed plan lets it through."""
        return self.standing in LETS_THROUGH

    @property
    def message(self) -> str:
        """A sentence for people."""
        match self.standing:
            case "Matches":
                return f"the plan that {self.where} showed"
            case "Approved":
                return f"approved by {self.by}"
            case "PlanDiffers":
                facts = "; ".join(self.changed) or "nothing that is known"
                return f"not the plan that {self.where} showed; changed in between: {facts}"
            case "NoApprovedPlan":
                return "no approved plan: no pull request showed it"
        return ""


NOTHING_SHOWN: Final = PlanStanding()


def judge_plan(
    plan: Plan,
    tree: str,
    facts: Mapping[str, str],
    previewed: Sequence[Previewed],
    approved: Iterable[ApprovedPlan],
    now: datetime,
) -> PlanStanding:
    """How ``plan``, made of ``tree`` and ``facts``, stands to what was ``previewed`` of its application."""
    shown = _best(plan, tree, previewed)
    if shown is not None and shown.plan.digest == plan.digest:
        return PlanStanding("Matches", shown.where, shown.url, plan.digest)
    for each in approved:
        if each.digest == plan.digest and each.until > now:
            return PlanStanding("Approved", digest=plan.digest, by=each.said.who, until=each.until)
    if shown is None:
        return PlanStanding("NoApprovedPlan")
    changed = tuple(_FACTS[name] for name in _FACTS if shown.facts.get(name) != facts.get(name))
    lines = differences(shown.plan, plan)
    return PlanStanding("PlanDiffers", shown.where, shown.url, shown.plan.digest, changed, lines)


def _best(plan: Plan, tree: str, previewed: Sequence[Previewed]) -> Previewed | None:
    """What showed this very tree, or was merged as this revision: the same effects first, then the newest."""
    fitting = [each for each in previewed if tree == each.tree or plan.revision == each.merge_commit]
    return max(fitting, key=lambda each: (each.plan.digest == plan.digest, each.at), default=None)
