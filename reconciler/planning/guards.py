"""What a sync leaves undone on purpose: other owners' resources, suspended ones, guarded deletes. Pure.

Every guard answers with a reason and a sentence, never silently. What a person confirmed passes the
guards that only ask (confirm, empty, threshold), not those that protect against a mistake in Git.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.control.intent import Intent
from reconciler.control.requests import SyncRequest
from reconciler.control.sync_policy import IgnoredDifference, PrunePolicy, SyncPolicy
from reconciler.desired import Desired
from reconciler.planning.plan import Held
from runtime.state import AppliedResource
from schemas.finding import shown
from schemas.resource import ResourceKey

PRUNE_ANNOTATION = "moorage.dev/prune"
FEW = 3
"""So many deletes are never too many: of three models one is a third, and nobody wants to be asked."""
UNASKED = PrunePolicy(allow_empty=True, most_percent=100)
"""Who says that it shall go has been asked."""


@dataclass(frozen=True)
class ChangePolicy:
    """What one application's sync may change.

    ``suspended`` and ``confirmed`` are sorted keys that people named: left alone, allowed to go.
    ``applications`` are the names that own something rightly; what another name owns may be taken over
    (None: nothing may). ``only`` limits a sync to some resources, None does not.
    """

    prune: PrunePolicy = field(default_factory=PrunePolicy)
    ignore: tuple[IgnoredDifference, ...] = ()
    suspended: tuple[ResourceKey, ...] = ()
    confirmed: tuple[ResourceKey, ...] = ()
    applications: tuple[str, ...] | None = None
    only: tuple[ResourceKey, ...] | None = None

    def leaves_out(self, key: ResourceKey) -> bool:
        """True where this sync is not about that resource."""
        return self.only is not None and key not in self.only


def change_policy(
    sync: SyncPolicy, intent: Intent, applications: tuple[str, ...], now: datetime
) -> ChangePolicy:
    """What an application's own policy and what people said about it come to at ``now``."""
    return ChangePolicy(
        prune=sync.prune,
        ignore=sync.ignore,
        suspended=tuple(sorted(intent.held)),
        confirmed=tuple(sorted(intent.confirmed(now))),
        applications=applications,
    )


def asked_policy(policy: ChangePolicy, request: SyncRequest) -> ChangePolicy:
    """What the sync may change that a person asks for, where ``policy`` holds without it."""
    suspended = () if request.delete else policy.suspended
    prune = UNASKED if request.prune or request.delete else policy.prune
    return replace(policy, prune=prune, suspended=suspended, only=request.only)


def guard_change(
    desired: Desired, key: ResourceKey, entry: AppliedResource | None, policy: ChangePolicy
) -> Held | None:
    """Why a resource that Git wants is left as it is, or None."""
    if entry is not None and entry.owner != desired.application and not _abandoned(entry.owner, policy):
        message = (
            f"{key} belongs to application {entry.owner}; application {desired.application} wants it too"
        )
        return Held(key, "OwnedByOther", message)
    if key in policy.suspended:
        return Held(key, "Suspended", f"{key} is suspended; resume it to let it follow Git")
    return None


def _abandoned(owner: str, policy: ChangePolicy) -> bool:
    """An owner that is no application any more: what it left behind may be taken over as it runs."""
    return policy.applications is not None and owner not in policy.applications


def guard_deletes(
    desired: Desired, left: Mapping[ResourceKey, AppliedResource], owned: int, policy: ChangePolicy
) -> Mapping[ResourceKey, tuple[str, str]]:
    """Why resources that left Git stay, as (reason, message) by key; ``owned`` is how many the application
    has in all. What is not named may go."""
    unreliable = _unreliable(desired, left, policy.prune)
    asking = {key for key in left if key not in policy.confirmed}
    refusal = _refusal(desired, len(left), owned, policy.prune) if asking else None
    held: dict[ResourceKey, tuple[str, str]] = {}
    for key, entry in left.items():
        reason = unreliable or _own_refusal(key, entry, policy) or (refusal if key in asking else None)
        if reason is not None:
            held[key] = reason
    return held


def _own_refusal(key: ResourceKey, entry: AppliedResource, policy: ChangePolicy) -> tuple[str, str] | None:
    if entry.resource.annotations.get(PRUNE_ANNOTATION) == "false":
        return "PruneDisabled", f'{PRUNE_ANNOTATION}: "false" keeps it; it is deleted by a command only'
    if key in policy.suspended:
        return "Suspended", f"{key} is suspended; resume it to let it follow Git"
    return None


def _unreliable(
    desired: Desired, left: Mapping[ResourceKey, AppliedResource], prune: PrunePolicy
) -> tuple[str, str] | None:
    """Why this revision cannot be trusted to say what is gone, or deletes are switched off.

    A skipped document that bears the name of one of them may be that very resource with a typing
    error in its apiVersion (design decision 8).
    """
    if prune.mode == "off":
        return "PruneDisabled", "the application's sync policy does not delete"
    if desired.unreadable:
        return (
            "PruneHeld",
            "some document cannot be read as far as its kind and name; mend it, then what left Git is deleted",
        )
    names = {key.name for key in left}
    for document in desired.skipped:
        if document.name in names:
            place = f"{document.file}:{document.line}"
            message = (
                f"{place} names {document.name!r} but is skipped: apiVersion {shown(document.api_version)}"
            )
            return "PruneHeld", message
    return None


def _refusal(desired: Desired, leaving: int, owned: int, prune: PrunePolicy) -> tuple[str, str] | None:
    """Why a person has to be asked first."""
    if not desired.resources and not prune.allow_empty:
        return (
            "PruneRefusedEmpty",
            "this revision would delete everything; set sync.allowEmpty to allow it, or confirm it",
        )
    if desired.resources and leaving > FEW and leaving * 100 > owned * prune.most_percent:
        share = f"{leaving} of {owned} resources, more than {prune.most_percent} %"
        return "PruneThreshold", f"this revision would delete {share}: confirm it, or raise sync.maxPrune"
    if prune.mode == "confirm":
        return "PruneAwaitsConfirmation", "sync.prune is confirm: moorage app confirm lets it go"
    return None
