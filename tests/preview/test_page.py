"""The page that a comment links to: everything in full, and nothing of it acts or is fetched."""

from html.parser import HTMLParser
from importlib import resources

import pytest
from hypothesis import Phase, given, settings

from reconciler.preview.rendering.page import page
from tests.preview.examples import EXAMPLES, large
from tests.preview.hostile import PREVIEWS
from tests.preview.test_markdown import compare_with_golden

QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
STRUCTURE = ("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section")
BLOCKS = ("article", "div", "pre", "h1", "h2", "h3", "p", "ul", "li", "details", "summary")
TEXT = ("span", "strong", "code", "ins", "del", "br", "i", "b")
TABLES = ("table", "thead", "tbody", "tr", "th", "td")
TAGS = frozenset((*STRUCTURE, *BLOCKS, *TEXT, *TABLES))
VOID = ("meta", "br")
HEADS = ("lang", "charset", "http-equiv", "content", "name")
ATTRIBUTES = frozenset(
    (*HEADS, "class", "style", "title", "scope", "open", "role", "aria-label", "aria-hidden")
)
TITLE = "acme/models #7"


class Reading(HTMLParser):
    """Tags, attributes and text of a page; ``wrong`` is what it must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in TAGS:
            self.wrong.append(tag)
        self.wrong += [f"{tag} {name}" for name, _ in attrs if name not in ATTRIBUTES]
        self.wrong += [
            value for name, value in attrs if name == "style" and not value.startswith(("width:", "left:"))
        ]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"/{tag}")

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.wrong.append(f"comment {data}")

    def finish(self) -> "Reading":
        self.close()
        self.wrong += [f"{tag} is left open" for tag in self._open]
        return self


def read(text: str) -> Reading:
    reading = Reading()
    reading.feed(text)
    return reading.finish()


@pytest.mark.parametrize("name", ["no-change", "overcommitted", "guests", "invalid-manifest"])
def test_the_page_is_the_golden_one(name):
    """What changes here is what people see."""
    text = page(EXAMPLES[name](), TITLE)
    compare_with_golden(f"{name}.html", text)
    assert read(text).wrong == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_page_is_well_formed(name):
    """Whatever a preview says."""
    assert read(page(EXAMPLES[name](), TITLE)).wrong == []


@settings(max_examples=100, deadline=None, phases=QUICK)
@given(PREVIEWS)
def test_texts_of_others_are_texts(preview):
    """No tag and no attribute is theirs."""
    text = page(preview, TITLE)
    assert read(text).wrong == []
    assert "\u202e" not in text


def test_a_text_is_no_template():
    """What looks like one is shown as it is."""
    assert "{{ 7 * 7 }}" in page(EXAMPLES["no-change"](), "{{ 7 * 7 }}")


def test_a_script_in_a_title_is_a_text():
    """Titles are of pull requests."""
    text = page(EXAMPLES["no-change"](), "</title><script>alert(1)</script>")
    assert "<script>" not in text
    assert read(text).wrong == []


def test_nothing_is_run_or_fetched():
    """The page says so itself, wherever it is opened."""
    text = page(EXAMPLES["new-version"](), TITLE)
    assert "default-src 'none'; style-src 'unsafe-inline'" in text
    assert '<html lang="en">' in text
    assert "url(" not in text
    assert "@import" not in text


def test_a_thousand_models_are_all_there():
    """Nothing is left out; what is many is folded."""
    reading = read(page(large(), TITLE))
    text = " ".join(reading.text)
    assert reading.wrong == []
    assert all(f"model-{number:04}" in text for number in range(1000))
    assert "970 more models" in text
    assert reading.tags.count("details") == 5


def test_bars_and_tables_can_be_heard():
    """A bar is told in words, and a table's cells have headings."""
    text = page(EXAMPLES["overcommitted"](), TITLE)
    assert (
        'role="img" aria-label="1.7Gi used before and after, 348Mi added, 252Mi used beyond capacity' in text
    )
    assert '<th scope="col">Interruption</th>' in text
    assert '<th scope="row"><code>wine</code></th>' in text


def test_digests_are_whole():
    """As the JSON document and the history have them."""
    made = EXAMPLES["several-applications"]()
    text = page(made, TITLE)
    assert all(each.plan.digest in text and each.plan.basis in text for each in made.applications)
    assert made.digest in text


def test_templates_are_part_of_the_package():
    """They are found where the code is, whatever it was installed from."""
    folder = resources.files("reconciler.preview.rendering") / "templates"
    assert {"page.html", "style.css"} <= {each.name for each in folder.iterdir()}
