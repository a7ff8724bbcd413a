"""What is written to a pull request: one comment, one commit status, a label; and only what has changed.

The comment is edited where head, plans or verdict changed, and not for memory that moves by itself: providers
count what is written. It names nothing of other applications. What a comment says is decided in
:mod:`reconciler.preview.rendering.markdown`.
"""

import re
from collections.abc import Callable
from dataclasses import replace

import structlog

from reconciler.preview.preview import MILDEST_FIRST, Preview
from reconciler.preview.pulls.eligible import Refusal
from reconciler.preview.pulls.pull_requests import CommitStatus, PullRequest, PullRequests
from reconciler.preview.pulls.settings import PreviewSettings
from reconciler.preview.pulls.store import Published
from reconciler.preview.rendering.markdown import comment
from reconciler.preview.rendering.masking import for_readers
from reconciler.preview.rendering.wording import headline
from schemas.codec import digest, encode
from schemas.errors import InputError

log = structlog.get_logger(__name__)

MARKER = "<!-- moorage:preview -->"
"""Hidden in our comment, so that it is found again."""
MOST_OUTCOME = 2_000
"""Characters kept free in a comment, to say later what became of it."""
_OUTCOME = re.compile(r"<!-- moorage:outcome -->.*?<!-- /moorage:outcome -->\n\n", re.DOTALL)
LABELS = {verdict: f"moorage: {verdict}" for verdict in MILDEST_FIRST}


Keep = Callable[[Published], None]
"""Told after everything that was written, so that a fault later on does not have it written again."""


class Publisher:
    """Writes to ``pulls`` as ``settings`` want it."""

    def __init__(self, pulls: PullRequests, settings: PreviewSettings) -> None:
        self._pulls = pulls
        self._settings = settings

    async def publish(
        self, pull: PullRequest, preview: Preview, link: str, before: Published, keep: Keep
    ) -> Published:
        """Say what the merge does; ``link`` is the page of the whole preview, or empty. Where the merge does
        nothing, and nothing was said, no comment is written."""
        said = digest({"head": pull.head, "plans": preview.digest, "verdict": preview.verdict})
        after, shown = before, for_readers(preview, public=await self._pulls.is_public())
        if said != before.text and (preview.applications or before.comment is not None):
            after = replace(await self._write(pull, shown, link, before), text=said)
            keep(after)
        after = await self._set_status(pull, self._status(shown, link), after)
        keep(after)
        return await self._set_label(pull, LABELS[preview.verdict], after) if self._settings.labels else after

    async def refuse(self, pull: PullRequest, refusal: Refusal, before: Published, keep: Keep) -> Published:
        """Say why there is no preview: by the status, and in the comment where there is one already."""
        after = before
        said = digest({"head": pull.head, "refusal": encode(refusal)})
        if before.comment is not None and said != before.text:
            text = f"{MARKER}\n**{refusal.reason}**: no plan can be shown now. The commit status says why.\n"
            number = await self._pulls.write_comment(pull.number, text, before.comment)
            after = replace(before, comment=number, text=said)
            keep(after)
        status = CommitStatus(refusal.state, f"{refusal.reason}: {refusal.message}")
        return await self._set_status(pull, status, after)

    async def tell_outcome(self, number: int, outcome: str, before: Published) -> Published:
        """Say above what the comment shows what became of it; without a comment nothing is written."""
        found = await self._pulls.find_comment(number, MARKER)
        if found is None:
            return before
        words = outcome[:MOST_OUTCOME]
        told = f"{MARKER}\n<!-- moorage:outcome -->\n\n{words}\n\n<!-- /moorage:outcome -->\n\n"
        text = told + _OUTCOME.sub("", found.text).removeprefix(MARKER).lstrip("\n")
        written = found.id if text == found.text else await self._pulls.write_comment(number, text, found.id)
        return replace(before, comment=written)

    async def _write(self, pull: PullRequest, shown: Preview, link: str, before: Published) -> Published:
        text = comment(shown, marker=MARKER, link=link, longest=self._pulls.longest - MOST_OUTCOME - 200)
        known = before.comment
        if known is None:  # nobody remembers one: a run in CI, or a store that was lost
            found = await self._pulls.find_comment(pull.number, MARKER)
            if found is not None and found.text == text:
                return replace(before, comment=found.id)
            known = found.id if found is not None else None
        return replace(before, comment=await self._pulls.write_comment(pull.number, text, known))

    def _status(self, preview: Preview, link: str) -> CommitStatus:
        failed = preview.verdict in self._settings.fail_on
        return CommitStatus("failure" if failed else "success", headline(preview), link)

    async def _set_status(self, pull: PullRequest, status: CommitStatus, before: Published) -> Published:
        """Some providers let nobody set one on the commit of a fork: then the comment has to do."""
        said = digest({"commit": pull.head, "status": encode(status)})
        if said == before.status:
            return before
        try:
            await self._pulls.set_status(pull.head, status)
        except InputError as error:
            if not pull.fork:
                raise
            log.warning("no commit status on a fork", number=pull.number, reason=error.reason)
        return replace(before, status=said)

    async def _set_label(self, pull: PullRequest, label: str, before: Published) -> Published:
        if label == before.label:
            return before
        if before.label:
            await self._pulls.set_label(pull.number, before.label, present=False)
        await self._pulls.set_label(pull.number, label, present=True)
        return replace(before, label=label)
