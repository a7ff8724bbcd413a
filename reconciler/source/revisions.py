"""Names to objects: what a revision names in a repository, and whether it may be believed.

A name is looked for as Git's push does it: a branch before a tag, then anything else that Git understands.
"""

from collections.abc import Callable

import pygit2

from reconciler.source.verification import Verification
from reconciler.source.verifier import Candidate, verify_revision
from schemas.errors import InputError

_TAGS = "refs/tags/"


def find(repository: pygit2.Repository, revision: str, fallback: str) -> pygit2.Object | None:
    """The commit, or the tag object leading to one, that ``revision`` names; ``fallback`` is what is asked
    for where it is neither branch nor tag."""
    for name in (f"refs/heads/{revision}", f"{_TAGS}{revision}", fallback):
        try:
            found = repository.revparse_single(name)
            found.peel(pygit2.Commit)
        except (KeyError, ValueError, pygit2.GitError):
            continue
        return found
    return None


def commit_of_id(repository: pygit2.Repository, revision: str) -> pygit2.Commit | None:
    """A commit by its whole id. Looked for among the objects: a branch may be named like a commit."""
    try:
        found = repository.get(pygit2.Oid(hex=revision))
    except ValueError:
        return None
    return found if isinstance(found, pygit2.Commit) else None


def verify(
    repository: pygit2.Repository,
    read: Callable[[str], bytes],
    setting: Verification,
    revision: str,
    found: pygit2.Object,
) -> None:
    """Raises InputError ``UnverifiedRevision`` where ``found``, which ``revision`` names, is not signed as
    ``setting`` wants it. ``read`` gives an object's bytes."""
    if setting.mode == "off":
        return
    commit = str(found.peel(pygit2.Commit).id)
    tags, name = [found] if isinstance(found, pygit2.Tag) else [], revision.removeprefix(_TAGS)
    if setting.mode == "tag" and not tags and commit.startswith(revision):
        tags, name = _tags_of(repository, commit), ""
    candidate = Candidate(read(commit), tuple(read(str(tag.id)) for tag in tags), name)
    try:
        verify_revision(setting, candidate)
    except InputError as error:
        raise InputError(
            error.reason, f"{revision[:100]} ({commit[:7]}): {error.message}", error.hint
        ) from error


def _tags_of(repository: pygit2.Repository, commit: str) -> list[pygit2.Tag]:
    """The annotated tags of a commit, by name."""
    names = sorted(name for name in repository.references if name.startswith(_TAGS))
    objects = [repository[repository.references[name].target] for name in names]
    tags = [each for each in objects if isinstance(each, pygit2.Tag)]
    return [tag for tag in tags if str(tag.peel(None).id) == commit]
