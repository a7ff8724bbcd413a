"""The ``previews`` section: from checked YAML values to :class:`PreviewSettings`.

The schema says what may stand there; here is refused what only a look at the value shows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.observability.notifications import is_web
from reconciler.preview.pulls.settings import FAIL_ON, PreviewSettings
from reconciler.source.urls import local_path, location
from reconciler.source_settings import Located, secret_source
from reconciler.sync_settings import seconds
from schemas.errors import InputError


def preview_settings(value: Mapping[str, Any], located: Located) -> PreviewSettings:
    """One entry of ``previews``. Raises InputError ``InvalidAddress``."""
    repository = value["repository"]
    if location(repository) is None or local_path(repository) is not None:
        raise InputError(
            "InvalidAddress", "repository is no address at a provider", "https://github.com/acme/models"
        )
    for name in ("api", "link"):
        if name in value and not is_web(value[name]):
            raise InputError("InvalidAddress", f"{name} is no http or https URL")
    return PreviewSettings(
        repository=repository,
        provider=value["provider"],
        token=secret_source(value["token"], located),
        api=value.get("api", ""),
        interval=seconds(value.get("interval", "60s")),
        forks=value.get("forks", "labelled"),
        label=value.get("label", "moorage/preview"),
        fail_on=tuple(sorted(value.get("failOn", FAIL_ON))),
        labels=value.get("labels", False),
        link=value.get("link", "").rstrip("/"),
    )


def require_one_each(made: Sequence[PreviewSettings]) -> None:
    """Raise InputError ``NameTaken`` where the last one is of a repository that is there already."""
    places = [location(each.repository) for each in made]
    if places[-1] in places[:-1]:
        raise InputError("NameTaken", "that repository is there twice")
