"""Desired state: all resources of one application at one revision, and what is known to be missing.

Pure. It says what may not be pruned: resources whose manifest is there but wrong, and everything as
long as some document cannot be read as far as its kind and name (design decision 8).
"""

from dataclasses import dataclass

from schemas.load import Loaded, SkippedDocument
from schemas.problem import Problem
from schemas.resource import Resource, ResourceKey


@dataclass(frozen=True)
class Desired:
    """What an application's source wants at ``revision``; ``tree`` is a digest of (path, mode, blob).
    ``author`` and ``message`` are the commit's."""

    application: str
    namespace: str
    revision: str
    tree: str
    resources: tuple[Resource, ...] = ()
    problems: tuple[Problem, ...] = ()
    skipped: tuple[SkippedDocument, ...] = ()
    invalid: tuple[ResourceKey, ...] = ()
    unreadable: bool = False
    author: str = ""
    message: str = ""


def desired_state(
    application: str,
    namespace: str,
    revision: str,
    tree: str,
    loaded: Loaded,
    refused: tuple[Problem, ...] = (),
) -> Desired:
    """The desired state that the manifests of one revision declare.

    ``refused`` are problems of the source itself (symlinks, submodules, oversized files): what they
    hide is unknown, so they hold pruning as an unreadable document does.
    """
    return Desired(
        application=application,
        namespace=namespace,
        revision=revision,
        tree=tree,
        resources=loaded.resources,
        problems=(*refused, *loaded.problems),
        skipped=loaded.skipped,
        invalid=loaded.invalid,
        unreadable=loaded.unreadable or bool(refused),
    )
