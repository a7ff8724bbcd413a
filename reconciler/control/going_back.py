"""Going back by policy: keeping how a revision fares, and pinning the last healthy one.

What is to be done is decided in :mod:`reconciler.control.rollback`; here it is written down. A rollback is
a pin, as a person would set it, so it stands until somebody unpins.
"""

import asyncio
from dataclasses import replace
from datetime import datetime

import structlog

from reconciler.control.followed import Followed
from reconciler.control.intent import Pin, Said
from reconciler.control.intent_store import IntentStore
from reconciler.control.rollback import (
    AUTOMATIC,
    RollBack,
    Trial,
    Verdict,
    abandon,
    decide,
    follow,
    seen,
)
from reconciler.control.work import now
from reconciler.history import History
from schemas.errors import MoorageError

log = structlog.get_logger(__name__)


class GoingBack:
    """Weighs applications, and takes them back; used from one event loop."""

    def __init__(self, history: History, intents: IntentStore) -> None:
        self._history = history
        self._intents = intents

    def weigh(self, app: Followed, moment: datetime) -> Verdict:
        """Whether the application goes back by policy, as it was shown last; keeps how it fares."""
        after, shown = app.config.sync.roll_back_after, app.shown
        if after is None or shown is None or shown.sync == "Unknown" or not app.desired or not app.plan:
            return None
        if app.desired.revision != app.plan.revision:  # what was read is planned next
            return None
        found = seen(shown, app.desired.tree, idle=app.plan.empty)
        trial = follow(app.trial, found, after, moment)
        self._keep_trial(app, trial)
        verdict = decide(trial, found, after, moment)
        held = self._intents.intent(app.config.name).pin is not None or not app.gate.auto
        return None if held and isinstance(verdict, RollBack) else verdict

    async def can_go_back(self, app: Followed, verdict: RollBack) -> bool:
        """Whether that revision can still be read. One that is gone for good is not looked for again."""
        try:
            await asyncio.to_thread(app.source.read, verdict.revision)
        except MoorageError as error:
            log.warning("cannot roll back", application=app.config.name, error=str(error))
            if error.reason == "RevisionNotFound" and app.trial is not None:
                self._keep_trial(app, abandon(app.trial))
            return False
        return True

    def go_back(self, app: Followed, verdict: RollBack) -> None:
        """Pin, as a person would: it is followed by the next look, and stands until somebody unpins."""
        name, said = app.config.name, Said(AUTOMATIC, now(), verdict.reason)
        log.warning("rolled back", application=name, revision=verdict.revision[:7], why=verdict.reason)
        self._intents.change(name, lambda intent: replace(intent, pin=Pin(verdict.revision, said)))
        assert app.trial is not None
        self._keep_trial(app, abandon(app.trial))

    def _keep_trial(self, app: Followed, trial: Trial) -> None:
        if trial != app.trial:
            app.trial = trial
            self._history.note_trial(app.config.name, trial)
