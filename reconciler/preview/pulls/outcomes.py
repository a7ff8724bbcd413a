"""What became of a pull request, in words for its comment. Pure."""

from collections.abc import Sequence

from reconciler.preview.pulls.pull_requests import PullRequest
from reconciler.status import SyncRecord


def ended_words(pull: PullRequest, syncs: Sequence[str]) -> str:
    """A paragraph on a pull request that is merged or closed, and a line for each sync of it."""
    if pull.state != "merged":
        return "**Closed** without a merge: nothing of this is executed."
    lines = [f"**Merged** as `{pull.merge_commit[:7]}`. What follows was shown before the merge."]
    return "\n".join([*lines, *(f"- {each}" for each in syncs)])


def sync_words(record: SyncRecord) -> str:
    """One line on a sync. Names nothing but the application itself."""
    preview = record.preview
    if preview.standing == "Matches":
        how = f"with the very plan that is shown here (`{preview.digest[:12]}`)"
    else:
        facts = "; ".join(preview.changed) or "nothing that is known"
        how = f"with another plan (`{record.digest[:12]}`); changed in between: {facts}"
    return f"{record.application}: sync {record.id} {record.phase}, {how}"
