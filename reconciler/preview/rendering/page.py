"""A preview as a page of its own: everything in full, without scripts, and nothing of it is fetched from elsewhere.

Pure but for its templates, which are part of the package. It lays out the same rows as the comment; all texts
are escaped by Jinja2, none is marked as safe.
"""

from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from placement.quantity import readable_bytes
from reconciler.cli.text import plain
from reconciler.preview.preview import Preview, Verdict
from reconciler.preview.rendering import details, rows, wording, words
from reconciler.preview.rendering.bars import MEANINGS, Bar

OPEN_BELOW: Final = 30
"""Items of a kind up to which they are unfolded."""
TONES: Final[dict[Verdict, str]] = {
    "NoChange": "none",
    "Safe": "good",
    "ChangesServing": "good",
    "PartiallyPlaced": "fair",
    "InterruptsServing": "fair",
    "CannotBePlaced": "bad",
    "StopsServing": "bad",
    "InvalidManifests": "bad",
}


def page(preview: Preview, title: str) -> str:
    """The HTML document; ``title`` says of what it is the preview."""
    replicas = rows.replica_rows(preview)
    return _template().render(preview=preview, title=title, replicas=replicas, tone=TONES[preview.verdict])


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("reconciler.preview.rendering"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.globals.update(details=details, rows=rows, wording=wording, words=words)
    environment.globals.update(meanings=MEANINGS, open_below=OPEN_BELOW, bar_words=bar_words, share=share)
    environment.tests["name"] = lambda part: isinstance(part, words.Name)
    return environment.get_template("page.html")


def _shown(value: object) -> object:
    """What is not printable is written as an escape, as in every other place."""
    return plain(value) if type(value) in (str, words.Name) else value


def share(size: int, shown: Bar) -> str:
    """Of a bar's length, in per cent."""
    return f"{size * 100 / (shown.length or 1):.3f}"


def bar_words(shown: Bar) -> str:
    """A bar for those who do not see it."""
    return ", ".join(f"{readable_bytes(each.size)} {MEANINGS[each.kind]}" for each in shown.stretches)
