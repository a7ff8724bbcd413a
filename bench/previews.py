"""What a preview costs: ``python -m bench.previews``.

A pull request that changes one of 1,000 and of 10,000 served models: both sides read from Git, merged, planned
against the live inventory and rendered as the comment; and all 50 open pull requests planned again after the base
moved, by the production previewer with a provider in memory. The floor of each is what the same run needs to read
and parse nothing but what differs: Git's own comparison of the two trees (``git diff-tree``), and one plan of the
controller.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench.reconcile import Repository, config, diff_tree, policy
from reconciler.config import ApplicationConfig
from reconciler.control.gates import OPEN
from reconciler.planning.planner import plan
from reconciler.preview.making import Terms, made_of
from reconciler.preview.preview import Preview
from reconciler.preview.pulls.previewer import Parts, Previewer
from reconciler.preview.pulls.publishing import MARKER
from reconciler.preview.pulls.pull_requests import PullRequest
from reconciler.preview.pulls.settings import PreviewSettings
from reconciler.preview.pulls.store import PreviewStore
from reconciler.preview.reading import Reader
from reconciler.preview.rendering.markdown import comment
from reconciler.preview.rendering.masking import for_readers
from reconciler.preview.serving import NO_TIMEOUTS
from reconciler.source.application import GitApplication
from reconciler.source.credentials import AGENT
from reconciler.source.pulls import PullMirror
from reconciler.source.secrets import SecretFrom
from reconciler.sync import execute
from runtime.state import LiveState
from tests.fakes.pull_requests import FakePullRequests
from tests.fakes.simulated import SimulatedRuntime

PULLS = 50
ROUNDS = 5


class World:
    """What is served, for previewers."""

    def __init__(self, state: LiveState) -> None:
        self.state = state

    async def live(self) -> LiveState:
        """It."""
        return self.state

    def terms(self, _: str) -> Terms:
        """Nothing stands in the way."""
        return policy(), OPEN, None

    def reconsider(self) -> None:
        """Nobody waits."""


def report(label: str, seconds: float, floor: float, of: str) -> None:
    """One line."""
    print(f"{label:<62}{seconds * 1000:>12,.1f} ms   {seconds / floor:8.2f} × {of}", flush=True)


def timed(work: Callable[[], object]) -> float:
    """Seconds, the median of some tries."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


async def served(repository: Repository) -> LiveState:
    """The live state once the repository is synced."""
    desired = GitApplication(config(repository), repository.folder).read()
    runtime = SimulatedRuntime()
    await execute(plan(desired, await runtime.observe(), policy()), runtime, lambda _: None)
    return await runtime.observe()


def one(size: int, folder: Path) -> None:
    """One pull request, cold (nothing was read before) and warm."""
    repository = Repository(folder / f"{size}.git", size)
    live = asyncio.run(served(repository))
    repository.branch_off("change", 0)
    application = replace(config(repository), revision="main")
    reader = Reader([application])

    def preview(by: Reader) -> Preview:
        found = by.read(repository.folder, "main", "change", merge=True)
        terms = {application.name: (policy(), OPEN, None)}
        return made_of(found, found.head, live, terms, NO_TIMEOUTS)

    def told(by: Reader) -> str:
        return comment(for_readers(preview(by), public=False), marker=MARKER)

    floor = diff_tree(repository, "main", "change")
    start = time.perf_counter()
    told(reader)
    report(
        f"preview, 1 of {size:,} changed, nothing read before",
        time.perf_counter() - start,
        floor,
        "git diff-tree",
    )
    desired = GitApplication(application, folder).read("change")
    planned = timed(lambda: plan(desired, live, policy()))
    report(f"preview, 1 of {size:,} changed", timed(lambda: told(reader)), planned, "one plan")


async def many(size: int, folder: Path) -> None:
    """All open pull requests after the base moved."""
    repository = Repository(folder / "many.git", size)
    live = await served(repository)
    pulls = FakePullRequests()
    for number in range(1, PULLS + 1):
        head, ref = repository.branch_off(f"change-{number}", number), f"refs/heads/change-{number}"
        pulls.put(PullRequest(number, "open", "Change", "ada", "", head, ref, "", "main"))
    application: ApplicationConfig = replace(config(repository), revision="main")
    settings = PreviewSettings(str(repository.folder), "gitea", SecretFrom(env="NONE"))
    parts = Parts(
        pulls=pulls,
        mirror=PullMirror(str(repository.folder), folder / "mirror", AGENT),
        world=World(live),
        store=PreviewStore(folder / "previews"),
        timeouts=NO_TIMEOUTS,
        applications=lambda: [application],
        known=tuple,
        link=lambda _: "",
        now=lambda: datetime.now(UTC),
    )
    previewer = Previewer(settings, parts)
    await previewer.round()
    repository.change_one()
    previewer.hint()
    start = time.perf_counter()
    await previewer.round()
    seconds = time.perf_counter() - start
    desired = GitApplication(application, folder).read()
    floor = timed(lambda: plan(desired, live, policy()))
    report(
        f"{PULLS} open pull requests after the base moved, {size:,} models",
        seconds,
        PULLS * floor,
        f"{PULLS} plans",
    )


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        one(1_000, Path(name))
        one(10_000, Path(name))
        asyncio.run(many(1_000, Path(name)))


if __name__ == "__main__":
    main()
