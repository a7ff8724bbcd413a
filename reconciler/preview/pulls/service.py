"""All previewers of a controller as one: they run side by side, are hinted by name of application, and what they
showed is known to whoever judges a plan.

It listens to the controller: plans that are made say that the world may have moved, syncs that end say what
became of a merge.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from reconciler.config import ApplicationConfig
from reconciler.control.approval import Previewed
from reconciler.planning.order import Step
from reconciler.planning.plan import Plan
from reconciler.preview.preview import Preview
from reconciler.preview.pulls.previewer import Previewer
from reconciler.preview.pulls.store import Previewing, PreviewStore
from reconciler.source.urls import location, redacted
from reconciler.status import ApplicationStatus, SyncRecord
from runtime.operations import Result
from schemas.errors import InputError


class Shown:
    """What was shown, as the controller asks: :class:`~reconciler.control.approval.Previews` of a store.

    ``configured`` are the addresses of repositories whose pull requests are previewed.
    """

    def __init__(
        self,
        store: PreviewStore,
        configured: Iterable[str],
        applications: Callable[[], Sequence[ApplicationConfig]],
    ) -> None:
        self._store = store
        self._locations = {location(address) for address in configured}
        self._applications = applications

    def previewed(self, application: str) -> Sequence[Previewed] | None:
        """What was shown of an application; None where its pull requests are not previewed."""
        found = next((each for each in self._applications() if each.name == application), None)
        if found is None or location(found.repository) not in self._locations:
            return None
        return self._store.previewed(application)


class PreviewService:
    """``previewers`` by the shown address of their repository. A listener of the controller."""

    def __init__(
        self,
        store: PreviewStore,
        previewers: Sequence[Previewer],
        applications: Callable[[], Sequence[ApplicationConfig]],
    ) -> None:
        self._store = store
        self._previewers = {each.repository: each for each in previewers}
        self._applications = applications
        self._ended: asyncio.Queue[SyncRecord] = asyncio.Queue()
        self._syncing: set[str] = set()

    async def run(self) -> None:
        """Keep all previews up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for each in self._previewers.values():
                tasks.create_task(each.run())
            tasks.create_task(self._tell_outcomes())

    # Questions.

    def all(self) -> tuple[Previewing, ...]:
        """How every preview stands, by repository and number."""
        return self._store.all()

    def of(self, repository: str, number: int) -> Previewing:
        """How one of them stands. Raises InputError ``PreviewNotFound``."""
        found = self._store.get(repository, number)
        if found is None:
            message = f"no preview of {repository[:200]} #{number}"
            raise InputError("PreviewNotFound", message, "moorage preview list names those that there are")
        return found

    def preview(self, repository: str, number: int) -> Preview:
        """One of them, whole. Raises InputError ``PreviewNotFound``."""
        previewer = self._previewers.get(repository)
        found = previewer.previews.get(number) if previewer is not None else None
        if found is None:
            known = self.of(repository, number)
            why = f"{known.reason}: {known.message}" if known.reason else "it is kept while it is open only"
            raise InputError("PreviewNotFound", f"no preview of {repository[:200]} #{number}: {why}")
        return found

    # Hints.

    def hint(self, applications: Iterable[str]) -> None:
        """Pull requests of the repositories of these applications may have changed."""
        names = set(applications)
        addresses = {redacted(each.repository) for each in self._applications() if each.name in names}
        places = {location(address) for address in addresses}
        for address, previewer in self._previewers.items():
            if location(address) in places:
                previewer.hint()

    # The controller's signals.

    def source_read(self, application: str, seconds: float, reason: str) -> None:
        """Nothing to do: a source that moved is planned next."""

    def planned(self, application: str, plan: Plan, seconds: float) -> None:  # noqa: ARG002 (the protocol's)
        """The world or a base branch may have moved. A sync moves it all the time: its end is soon enough, and
        planning must not slow it down."""
        if not self._syncing:
            self._stir()

    def _stir(self) -> None:
        for previewer in self._previewers.values():
            previewer.stir()

    def sync_started(self, application: str, plan: Plan, who: str) -> None:  # noqa: ARG002 (the protocol's)
        """A push may be a merge that nobody told of."""
        self._syncing.add(application)
        self.hint((application,))

    def step_ended(self, application: str, step: Step, result: Result, seconds: float) -> None:
        """Nothing to do before the sync ends."""

    def sync_ended(self, record: SyncRecord, seconds: float) -> None:  # noqa: ARG002 (the protocol's)
        """What became of a merge is told where it was shown."""
        self._syncing.discard(record.application)
        self._stir()
        if record.preview.where:
            self._ended.put_nowait(record)

    def status_changed(self, before: ApplicationStatus | None, after: ApplicationStatus) -> None:
        """Nothing to do: terms are compared whenever the world is."""

    async def _tell_outcomes(self) -> None:
        while True:
            record = await self._ended.get()
            repository, _, number = record.preview.where.rpartition("#")
            previewer = self._previewers.get(repository)
            if previewer is not None:
                await previewer.note_sync(int(number), record)
