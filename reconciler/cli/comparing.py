"""``moorage plan --base --head``: two revisions compared against what lives, without a provider.

Both sides are read and planned as a controller previews a pull request. What lives comes from an inventory
file, from the controller or the record, or is what the base alone would make of an empty machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.cli.supposing import Options, policy_of, told_configuration, told_inventory
from reconciler.config import ApplicationConfig, Config
from reconciler.desired import Desired
from reconciler.inventory.fitting import described, fitted
from reconciler.inventory.reading import InventoryFile, read_inventory
from reconciler.preview.comparison import Commits, compare
from reconciler.preview.preview import Note, Preview
from reconciler.preview.pulls.parts import timeouts
from reconciler.preview.reading import Comparison, Reader, Sides
from reconciler.preview.ways import Side, assumed
from reconciler.source.pulls import whole_repository
from runtime.state import LiveState
from schemas.errors import InputError
from schemas.resource import Resource

EMPTY = b'{"schemaVersion": 1, "servers": []}'
NO_INVENTORY = Note("NoInventory", "no inventory was given: as if the base ran, and nothing else")


@dataclass(frozen=True)
class Revisions:
    """What is compared: any names of commits. ``merge`` plans the merge result instead of ``head`` itself."""

    base: str
    head: str
    merge: bool


def compared(
    asked: Options,
    revisions: Revisions,
    application: str | None,
    config: Path | None,
    server: str | None,
    *,
    inventory: bool,
) -> Preview:
    """The preview. Raises what reading, merging and planning raise."""
    told = told_configuration(asked, application, config)
    applications = _applications(told, application)
    first = applications[0]
    with (
        TemporaryDirectory(prefix="moorage-") as folder,
        whole_repository(first.repository, Path(folder), first.credentials) as repository,
    ):
        found = Reader(applications, told.servers).read(
            repository, revisions.base, revisions.head, merge=revisions.merge
        )
    file = told_inventory(asked, config, server) if inventory else read_inventory(EMPTY, "no inventory")
    return preview_of(found, told, file, revisions, alone=asked.repo is not None, inventory=inventory)


def preview_of(
    found: Comparison,
    told: Config,
    file: InventoryFile,
    revisions: Revisions,
    *,
    alone: bool,
    inventory: bool,
) -> Preview:
    """The preview of what was read, against what the file says. ``alone`` says that no configuration tells what
    there is beside these applications."""
    live = _live(found.sides, told, file)
    sides = [_side(each, told, file, live, alone=alone) for each in found.sides]
    live, notes = (live, ()) if inventory else (assumed(sides, live), (NO_INVENTORY,))
    commits = Commits(found.base, found.head, revisions.merge)
    return compare(commits, sides, live, timeouts(), notes)


def _applications(told: Config, name: str | None) -> Sequence[ApplicationConfig]:
    """The one that is meant, or all of the only repository that there is."""
    known = ", ".join(sorted(each.name for each in told.applications))
    if name is not None:
        found = told.application(name)
        if found is None:
            raise InputError("ApplicationNotFound", f"no application {name!r}", f"known: {known}")
        return (found,)
    if len({each.repository for each in told.applications}) > 1:
        raise InputError("ApplicationNotNamed", "which application is meant?", f"name one of: {known}")
    return told.applications


def _live(sides: Sequence[Sides], told: Config, file: InventoryFile) -> LiveState:
    """What the file says lives, with the texts that any of the revisions knows."""
    resources = {r.key: r for each in sides for r in (*each.head.resources, *each.base.resources)}
    whole = Desired("", "", "", "", tuple(resources[key] for key in sorted(resources)))
    texts: list[Resource] = [*told.servers, *(r for each in sides for r in each.head.resources)]
    return fitted(file, whole, policy_of(told, None, file.live), texts)[1]


def _side(each: Sides, told: Config, file: InventoryFile, live: LiveState, *, alone: bool) -> Side:
    policy = policy_of(told, each.application, live)
    if alone:
        unowned = replace(policy.changes, applications=None)
        policy = replace(policy, listening=file.listening, changes=unowned)
    return Side(
        described(each.base, file),
        described(each.head, file),
        policy,
        depends_on=each.application.sync.depends_on,
    )
