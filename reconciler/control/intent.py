"""What people decided about applications, and must survive everything: pins, suspensions, approvals.

Neither cache nor history: losing the record of syncs must not move a pinned application. Each fact
carries who, when and why. Here are the values and what they mean; keeping them is
:mod:`reconciler.control.intent_store`'s work.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from schemas.resource import ResourceKey


@dataclass(frozen=True)
class Said:
    """Who decided something, when (with a time zone) and why."""

    who: str
    at: datetime
    why: str = ""


@dataclass(frozen=True)
class Pin:
    """The application stays at ``revision`` (a commit) whatever it follows."""

    revision: str
    said: Said


@dataclass(frozen=True)
class Suspension:
    """A resource is left as it is."""

    key: ResourceKey
    said: Said


@dataclass(frozen=True)
class ConfirmedDelete:
    """A resource that left Git may be deleted, until then, whatever holds it for a person to confirm."""

    key: ResourceKey
    until: datetime
    said: Said


@dataclass(frozen=True)
class WindowOverride:
    """Syncs may start although windows are closed, until then."""

    until: datetime
    said: Said


@dataclass(frozen=True)
class ApprovedPlan:
    """The plan of that digest may be executed, until then, although no pull request showed it."""

    digest: str
    until: datetime
    said: Said


@dataclass(frozen=True)
class Intent:
    """Everything decided about one application, sorted by key; approved plans by digest. ``suspended`` is the
    application itself, ``resources`` are single ones."""

    pin: Pin | None = None
    suspended: Said | None = None
    resources: tuple[Suspension, ...] = ()
    deletes: tuple[ConfirmedDelete, ...] = ()
    override: WindowOverride | None = None
    plans: tuple[ApprovedPlan, ...] = ()

    @property
    def held(self) -> frozenset[ResourceKey]:
        """Resources that are suspended one by one."""
        return frozenset(each.key for each in self.resources)

    def confirmed(self, now: datetime) -> frozenset[ResourceKey]:
        """Resources that may be deleted at ``now``."""
        return frozenset(each.key for each in self.deletes if each.until > now)

    def overrides(self, now: datetime) -> bool:
        """True where closed windows do not count at ``now``."""
        return self.override is not None and self.override.until > now


NOTHING_SAID = Intent()


def suspend_resource(intent: Intent, key: ResourceKey, said: Said) -> Intent:
    """Leave ``key`` as it is from now on."""
    return replace(intent, resources=_put(intent.resources, Suspension(key, said)))


def resume_resource(intent: Intent, key: ResourceKey) -> Intent:
    """Let ``key`` follow again."""
    return replace(intent, resources=tuple(each for each in intent.resources if each.key != key))


def confirm_deletes(intent: Intent, keys: frozenset[ResourceKey], until: datetime, said: Said) -> Intent:
    """Allow deleting ``keys``; what was allowed until before ``said.at`` is forgotten."""
    standing = [each for each in intent.deletes if each.until > said.at and each.key not in keys]
    added = [ConfirmedDelete(key, until, said) for key in keys]
    return replace(intent, deletes=tuple(sorted([*standing, *added], key=lambda each: each.key)))


def approve_plan(intent: Intent, plan: ApprovedPlan) -> Intent:
    """Allow a plan; what was allowed until before it was said is forgotten."""
    standing = [each for each in intent.plans if each.until > plan.said.at and each.digest != plan.digest]
    return replace(intent, plans=tuple(sorted([*standing, plan], key=lambda each: each.digest)))


def _put(standing: tuple[Suspension, ...], added: Suspension) -> tuple[Suspension, ...]:
    others = [each for each in standing if each.key != added.key]
    return tuple(sorted([*others, added], key=lambda each: each.key))
