"""The previews of one repository's pull requests, kept up to date: who is looked at, planned and told, and when.

Level-triggered like the controller: what is to be done follows from comparing what a preview was made from
with what is so now, so a hint costs a look at most and none is lost. It reads, plans and writes comments; it
never executes anything, and nothing that it does keeps the controller from its work.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog

from reconciler.config import ApplicationConfig
from reconciler.control.approval import Previewed
from reconciler.preview.making import Terms, World, made_of, planned_from
from reconciler.preview.preview import Preview
from reconciler.preview.pulls.eligible import NOT_FOLLOWED, Refusal, concerned, refusal_of
from reconciler.preview.pulls.outcomes import ended_words, sync_words
from reconciler.preview.pulls.publishing import Publisher
from reconciler.preview.pulls.pull_requests import PullRequest, PullRequests
from reconciler.preview.pulls.settings import PreviewSettings
from reconciler.preview.pulls.store import Previewing, PreviewStore, Published
from reconciler.preview.reading import Reader
from reconciler.preview.serving import Timeouts
from reconciler.source.pulls import is_fetchable
from reconciler.source.urls import redacted
from reconciler.status import SyncRecord
from runtime.state import LiveState
from schemas.codec import digest
from schemas.errors import InputError, MoorageError, StopError, WaitError
from schemas.resource import Resource

log = structlog.get_logger(__name__)

QUIET = 1.0
"""Seconds of a world that moves until previews are compared with it: a sync moves it many times."""


class Mirror(Protocol):
    """Where the objects of pull requests are."""

    @property
    def folder(self) -> Path:
        """A repository that has them."""

    def fetch(self, refs: Sequence[str]) -> Mapping[str, str]:
        """Bring these refs up to date; the commits of those that there are. Blocks."""


@dataclass(frozen=True)
class Parts:
    """What a previewer works with. ``applications`` are those that follow the repository, as they are
    configured now; ``known`` what their manifests may refer to; ``link`` gives the page of a pull request."""

    pulls: PullRequests
    mirror: Mirror
    world: World
    store: PreviewStore
    timeouts: Timeouts
    applications: Callable[[], Sequence[ApplicationConfig]]
    known: Callable[[], Sequence[Resource]]
    link: Callable[[int], str]
    now: Callable[[], datetime]


class Previewer:
    """Keeps previews of ``settings``' repository. All methods belong to one event loop."""

    def __init__(self, settings: PreviewSettings, parts: Parts) -> None:
        self.repository = redacted(settings.repository)
        self.previews: dict[int, Preview] = {}
        self._settings = settings
        self._parts = parts
        self._publisher = Publisher(parts.pulls, settings)
        self._open: dict[int, PullRequest] = {}
        self._commits: Mapping[str, str] = {}
        self._reader: tuple[object, Reader] | None = None
        self._hinted = True
        self._came = asyncio.Event()

    def hint(self) -> None:
        """Pull requests, or the branch they are for, may have moved: look at the provider."""
        self._hinted = True
        self._came.set()

    def stir(self) -> None:
        """The world, or what people decided, may have changed."""
        self._came.set()

    async def run(self) -> None:
        """Go on until cancelled; what fails is told in the log and tried again."""
        while True:
            try:
                await self.round()
            except StopError:
                raise
            except MoorageError as error:
                log.warning("previews", repository=self.repository, reason=error.reason, error=error.message)
            except Exception:
                log.exception("previewing failed", repository=self.repository)
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._settings.interval):
                await self._came.wait()
        except TimeoutError:
            self._hinted = True
        if not self._hinted:
            await asyncio.sleep(QUIET)

    async def round(self) -> None:
        """Look at the provider where it was hinted at, then bring every open pull request up to date."""
        self._came.clear()
        await self._look_if_hinted()
        for number in sorted(self._open):
            if number in self._open:
                await self._update_alone(number)

    async def _update_alone(self, number: int) -> None:
        """One pull request that cannot be planned or told keeps nobody else from it, but where the provider
        wants to be asked less."""
        try:
            await self._update(number)
        except (StopError, WaitError):
            raise
        except MoorageError as error:
            self._tell_fault(number, error)

    def _tell_fault(self, number: int, error: MoorageError) -> None:
        facts = {"repository": self.repository, "number": number, "reason": error.reason}
        log.warning("pull request not previewed", **facts, error=error.message)

    # Looking.

    async def _look_if_hinted(self) -> None:
        if not self._hinted:
            return
        self._hinted = False
        try:
            await self._look()
        except BaseException:
            self._hinted = True  # a hint is not lost because the provider could not be asked
            raise

    async def _look(self) -> None:
        """Which pull requests are open, where they are, and which of those that were are not any more."""
        opened = {pull.number: pull for pull in await self._parts.pulls.opened()}
        refs = {f"refs/heads/{pull.base_branch}" for pull in opened.values()}
        refs.update(pull.head_ref for pull in opened.values())
        refs.update("HEAD" for each in self._parts.applications() if each.revision == "HEAD")
        wanted = sorted(filter(is_fetchable, refs))  # one that is no name must not cost all others theirs
        self._commits = await asyncio.to_thread(self._parts.mirror.fetch, wanted)
        self._open = {number: self._as_fetched(pull) for number, pull in opened.items()}
        for known in self._parts.store.of(self.repository):
            if known.pull.state == "open" and known.pull.number not in opened:
                await self._end_alone(known)

    async def _end_alone(self, known: Previewing) -> None:
        """As :meth:`_update_alone`; one that is gone altogether counts as closed."""
        try:
            await self._end(known)
        except (StopError, WaitError):
            raise
        except MoorageError as error:
            self._tell_fault(known.pull.number, error)
            if error.reason == "PullRequestNotFound":
                self._parts.store.put(replace(known, pull=replace(known.pull, state="closed")))

    def _as_fetched(self, pull: PullRequest) -> PullRequest:
        """With the commits that were fetched, which may be newer than what the provider told before."""
        head = self._commits.get(pull.head_ref, pull.head)
        base = self._commits.get(f"refs/heads/{pull.base_branch}", pull.base)
        return replace(pull, head=head, base=base)

    async def _end(self, known: Previewing) -> None:
        """A pull request is merged or closed."""
        pull = await self._parts.pulls.pull_request(known.pull.number)
        if pull.state == "open":  # opened again while we asked
            self.hint()
            return
        self.previews.pop(pull.number, None)
        known = self._parts.store.get(self.repository, pull.number) or known
        ended = replace(known, pull=replace(pull, head=known.pull.head, base=known.pull.base))
        plans = tuple(replace(each, merge_commit=pull.merge_commit) for each in known.plans)
        self._parts.store.put(replace(ended, plans=plans, at=self._parts.now()))
        if pull.state == "merged":
            self._parts.world.reconsider()
        await self._tell_outcome(pull.number, ended_words(pull, known.syncs))

    async def note_sync(self, number: int, record: SyncRecord) -> None:
        """A sync ended whose plan was shown by that pull request, or was to be."""
        known = self._parts.store.get(self.repository, number)
        if known is None:
            return
        said = sync_words(record)
        others = tuple(each for each in known.syncs if not each.startswith(f"{record.application}: "))
        known = replace(known, syncs=tuple(sorted((*others, said))))
        self._parts.store.put(known)
        if known.pull.state == "open":  # of the merge itself we shall hear soon
            self.hint()
            return
        try:
            await self._tell_outcome(number, ended_words(known.pull, known.syncs))
        except MoorageError as error:
            self._tell_fault(number, error)

    async def _tell_outcome(self, number: int, outcome: str) -> None:
        """Say in the comment what became of a pull request."""
        known = self._parts.store.get(self.repository, number)
        if known is None or known.outcome == outcome:
            return
        published = await self._publisher.tell_outcome(number, outcome, known.published)
        known = self._parts.store.get(self.repository, number) or known  # a sync may have ended meanwhile
        self._parts.store.put(replace(known, published=published, outcome=outcome))

    # Planning.

    async def _update(self, number: int) -> None:
        """Plan one pull request where what it was planned from has changed, and tell it where that differs."""
        pull = self._open[number]
        known = self._parts.store.get(self.repository, number)
        default = self._commits.get("HEAD")
        applications = concerned(pull, self._parts.applications(), default)
        if not applications and known is None:
            return
        refusal = refusal_of(pull, self._settings) if applications else NOT_FOLLOWED
        if refusal is not None:
            if known is None or (known.reason, known.pull.head) != (refusal.reason, pull.head):
                await self._tell(pull, refusal, "", known)
            return
        live = await self._parts.world.live()
        key = self._key(pull, applications, live)
        if known is not None and known.key == key and (number in self.previews or known.reason):
            return
        made = await self._planned(pull, applications, live)
        if not await self._superseded(number, pull):
            await self._tell(pull, made, key, known)

    async def _superseded(self, number: int, pull: PullRequest) -> bool:
        """True where something was pushed, merged or closed while this was planned: that comes first."""
        await self._look_if_hinted()
        if self._open.get(number) == pull:
            return False
        self._came.set()
        return True

    async def _planned(
        self, pull: PullRequest, applications: Sequence[ApplicationConfig], live: LiveState
    ) -> Preview | Refusal:
        terms = {each.name: self._parts.world.terms(each.name) for each in applications}
        try:
            return await asyncio.to_thread(self._plan, pull, applications, live, terms)
        except InputError as error:
            return Refusal(error.reason, error.message)

    def _plan(
        self,
        pull: PullRequest,
        applications: Sequence[ApplicationConfig],
        live: LiveState,
        terms: Mapping[str, Terms],
    ) -> Preview:
        found = self._reading(applications).read(self._parts.mirror.folder, pull.base, pull.head, merge=True)
        return made_of(found, pull.head, live, terms, self._parts.timeouts)

    def _reading(self, applications: Sequence[ApplicationConfig]) -> Reader:
        """The reader of these applications, with all that it has read."""
        known = tuple(self._parts.known())
        told = (tuple(applications), known)
        if self._reader is None or self._reader[0] != told:
            self._reader = (told, Reader(applications, known))
        return self._reader[1]

    def _key(self, pull: PullRequest, applications: Sequence[ApplicationConfig], live: LiveState) -> str:
        """Digest of everything that the preview is planned from."""
        terms = {each.name: planned_from(self._parts.world.terms(each.name)) for each in applications}
        return digest(
            {
                "head": pull.head,
                "base": pull.base,
                "applications": terms,
                **live.digests,
                "environments": dict(live.environments),
            }
        )

    # Telling.

    async def _tell(
        self, pull: PullRequest, made: Preview | Refusal, key: str, known: Previewing | None
    ) -> None:
        before = known.published if known is not None else Published()
        told = Previewing(self.repository, pull, self._parts.now(), published=before)
        if isinstance(made, Refusal):
            self.previews.pop(pull.number, None)
            told = replace(told, reason=made.reason, message=made.message)
        else:
            self.previews[pull.number] = made
            plans = tuple(self._shown(pull, made, told.at))
            told = replace(told, verdict=made.verdict, digest=made.digest, basis=made.basis, plans=plans)

        def keep(published: Published, key: str = "") -> None:
            """What syncs tell meanwhile stays."""
            now = self._parts.store.get(self.repository, pull.number)
            syncs = now.syncs if now is not None else ()
            self._parts.store.put(replace(told, key=key, published=published, syncs=syncs))

        keep(before)  # what is shown counts from here on, also where telling fails

        link = self._parts.link(pull.number)
        if isinstance(made, Refusal):
            published = await self._publisher.refuse(pull, made, before, keep)
        else:
            published = await self._publisher.publish(pull, made, link, before, keep)
        keep(published, key)
        log.info(
            "previewed", repository=self.repository, number=pull.number, verdict=told.verdict or told.reason
        )

    def _shown(self, pull: PullRequest, made: Preview, at: datetime) -> list[Previewed]:
        where = f"{self.repository}#{pull.number}"
        return [
            Previewed(each.application, each.basis["tree"], each.plan, each.basis, where, pull.url, at)
            for each in made.applications
        ]
