"""One pull request previewed without a controller: its provider, its Git objects, and what is written to it."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.cli.comparing import EMPTY, Revisions, preview_of
from reconciler.cli.supposing import inventory_file
from reconciler.config import Config
from reconciler.inventory.reading import read_inventory
from reconciler.preview.preview import Preview
from reconciler.preview.pulls.eligible import Refusal, concerned, refusal_of
from reconciler.preview.pulls.parts import credentials_of, followers, pulls_of
from reconciler.preview.pulls.publishing import Publisher
from reconciler.preview.pulls.pull_requests import PullRequest
from reconciler.preview.pulls.settings import PreviewSettings
from reconciler.preview.pulls.store import Published
from reconciler.preview.reading import Reader
from reconciler.source.pulls import PullMirror
from schemas.errors import InputError

UNMERGEABLE = frozenset({"MergeConflict", "MergeRefused", "MergeTooLarge", "NoMergeBase", "TreeMalformed"})
"""Reasons that are the pull request's own: there is no merge result to plan."""


async def preview_pull(
    told: Config, settings: PreviewSettings, number: int, inventory: Path | None, *, dry_run: bool
) -> tuple[Refusal | None, Preview | None]:
    """The preview of a pull request, or why there is none; told on it unless ``dry_run``.

    Raises what provider, source and planner raise; a merge conflict is a refusal.
    """
    pulls = pulls_of(settings)
    try:
        pull = await pulls.pull_request(number)
        publisher = Publisher(pulls, settings)
        refusal = refusal_of(pull, settings)
        made = None
        if refusal is None:
            try:
                made = await asyncio.to_thread(_made, pull, told, settings, inventory)
            except InputError as error:
                if error.reason not in UNMERGEABLE:
                    raise
                refusal = Refusal(error.reason, error.message)
        if made is not None and not dry_run:
            await publisher.publish(pull, made, "", Published(), _forget)
        elif refusal is not None and not dry_run:
            await publisher.refuse(pull, refusal, Published(), _forget)
        return refusal, made
    finally:
        await pulls.close()


def _forget(_: Published) -> None:
    """Nothing is remembered from run to run: the comment is found again by its marker."""


def _made(pull: PullRequest, told: Config, settings: PreviewSettings, inventory: Path | None) -> Preview:
    with TemporaryDirectory(prefix="moorage-") as folder:
        mirror = PullMirror(settings.repository, Path(folder) / "mirror", credentials_of(settings, told))
        branch = f"refs/heads/{pull.base_branch}"
        commits = mirror.fetch([branch, *([pull.head_ref] if pull.head_ref else [])])
        base, head = commits.get(branch), commits.get(pull.head_ref)
        if base is None or head is None:
            missing = branch if base is None else f"the head of #{pull.number}"
            raise InputError("RevisionNotFound", f"the repository does not give us {missing}")
        applications = concerned(pull, followers(settings, told), pull.base)
        found = Reader(applications, told.servers).read(mirror.folder, base, head, merge=True)
    file = read_inventory(EMPTY, "no inventory") if inventory is None else inventory_file(inventory)
    revisions = Revisions(base, head, merge=True)
    return preview_of(found, told, file, revisions, alone=False, inventory=inventory is not None)
