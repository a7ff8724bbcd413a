"""What the configuration says of previews of one repository's pull requests, as values."""

from dataclasses import dataclass
from typing import Final, Literal

from reconciler.preview.preview import Verdict
from reconciler.source.secrets import SecretFrom

ProviderName = Literal["bitbucket", "gitea", "github", "gitlab"]
Forks = Literal["always", "labelled", "never"]

FAIL_ON: Final[tuple[Verdict, ...]] = ("CannotBePlaced", "InvalidManifests", "StopsServing")
"""Verdicts that fail the commit status where nothing else is said."""


@dataclass(frozen=True)
class PreviewSettings:
    """Previews of the pull requests of one repository. ``api`` is empty where it follows from the address;
    ``interval`` is seconds between two looks; ``link`` is where people reach the controller's pages, empty
    where they do not. ``labels`` puts the verdict on the pull request, too."""

    repository: str
    provider: ProviderName
    token: SecretFrom
    api: str = ""
    interval: float = 60.0
    forks: Forks = "labelled"
    label: str = "moorage/preview"
    fail_on: tuple[Verdict, ...] = FAIL_ON
    labels: bool = False
    link: str = ""
