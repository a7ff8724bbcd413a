"""Previewers as the controller and its API meet them: who is hinted, what is answered, what a sync tells."""

import asyncio
from datetime import UTC, datetime

import pytest

from reconciler.config import ApplicationConfig
from reconciler.control.approval import PlanStanding
from reconciler.planning.planner import plan
from reconciler.preview.pulls.service import PreviewService, Shown
from reconciler.status import SyncRecord
from schemas.errors import InputError
from tests.preview.test_previewer import MORE, Team
from tests.reconciler.world import POLICY, desired

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def service(team: Team) -> PreviewService:
    return PreviewService(team.store, [team.previewer], lambda: [team.application])


def record(team: Team, preview: PlanStanding) -> SyncRecord:
    return SyncRecord(
        3, "app", "r", "", "", "NewRevision", "", "", "Succeeded", preview.digest, "", preview=preview
    )


def test_what_was_shown_is_asked_by_application(tmp_path):
    """None for an application whose repository is not previewed, so that nothing is judged there."""

    async def told():
        team = Team(tmp_path)
        await team.serve()
        team.propose(1, MORE)
        await team.round()
        others = ApplicationConfig("other", "https://git.example.org/a/other.git")
        shown = Shown(team.store, [team.settings.repository], lambda: [team.application, others])
        assert [each.application for each in shown.previewed("app")] == ["app"]
        assert shown.previewed("other") is None
        assert shown.previewed("nobody") is None

    asyncio.run(told())


def test_an_applications_hint_has_its_repository_looked_at(tmp_path):
    """And that of another application has not."""

    async def told():
        team = Team(tmp_path)
        await team.serve()
        await team.round()
        team.propose(1, MORE)
        told_of = service(team)
        told_of.hint(("other",))
        await team.previewer.round()
        assert team.comments(1) == []
        told_of.hint(("app",))
        await team.previewer.round()
        assert len(team.comments(1)) == 1

    asyncio.run(told())


def test_previews_are_answered_by_repository_and_number(tmp_path):
    """Or the error says why there is none."""

    async def told():
        team = Team(tmp_path)
        await team.serve()
        team.propose(1, MORE)
        team.propose(2, MORE, fork=True)
        await team.round()
        asked, repository = service(team), team.previewer.repository
        assert [each.pull.number for each in asked.all()] == [1, 2]
        assert asked.preview(repository, 1).verdict == "Safe"
        with pytest.raises(InputError, match="LabelMissing"):
            asked.preview(repository, 2)
        with pytest.raises(InputError, match="PreviewNotFound"):
            asked.of(repository, 3)

    asyncio.run(told())


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (PlanStanding("Matches", digest="0123456789abcdef"), "very plan"),
        (PlanStanding("PlanDiffers", digest="0123456789abcdef", changed=("routes",)), "another plan"),
    ],
    ids=["as shown", "otherwise"],
)
def test_how_a_sync_went_is_told_on_the_merged_pull_request(tmp_path, standing, words):
    """Whether it executed what was shown, and if not, what changed in between."""

    async def told():
        team = Team(tmp_path)
        await team.serve()
        team.propose(1, MORE)
        await team.round()
        team.pulls.change(1, state="merged", merge_commit=team.repository.commit(MORE))
        await team.round()
        where = f"{team.previewer.repository}#1"
        listening = service(team)
        running = asyncio.create_task(listening.run())
        made = plan(desired(), await team.world.live(), POLICY)
        listening.sync_started("app", made, "somebody")
        preview = PlanStanding(standing.standing, where, "", standing.digest, standing.changed)
        listening.sync_ended(record(team, preview), 1.0)
        async with asyncio.timeout(30):
            while words not in team.comments(1)[0]:  # noqa: ASYNC110 (the comment is what is waited for)
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert "Succeeded" in team.comments(1)[0]
        assert team.store.all()[0].syncs

    asyncio.run(told())
