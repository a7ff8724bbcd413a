"""The comment: golden files of what it says, and that nobody's text in it has an effect."""

import os
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from reconciler.planning.plan import Plan
from reconciler.preview.preview import ApplicationPreview, Note, Preview
from reconciler.preview.rendering.markdown import comment
from reconciler.preview.rendering.masking import for_readers
from tests.preview.examples import EXAMPLES, large
from tests.preview.hostile import ATTACKS, PREVIEWS, TEXTS
from tests.preview.reading_markdown import LINK, MARKER, left_open, offences, tokens

QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Values of this size take minutes to shrink, and the offence says what is wrong."""
GOLDEN = Path(__file__).parent / "golden"


def compare_with_golden(name: str, text: str) -> None:
    file = GOLDEN / name
    if os.environ.get("MOORAGE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text(), "MOORAGE_GOLDEN=1 writes it anew"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_comment_is_the_golden_one(name):
    """What changes here is what reviewers see."""
    text = comment(for_readers(EXAMPLES[name](), public=False), marker=MARKER, link=LINK)
    compare_with_golden(f"{name}.md", text)
    assert offences(text) == []


def test_a_public_comment_is_the_golden_one():
    """Servers of others have aliases, models of others are counted."""
    text = comment(for_readers(EXAMPLES["guests"](), public=True), marker=MARKER)
    compare_with_golden("guests-public.md", text)


@pytest.fixture(scope="module")
def thousand() -> Preview:
    return large()


def test_a_thousand_models_are_shortened(thousand):
    """Whole rows are left out and counted, with the page that has them all."""
    text = comment(thousand, marker=MARKER, link=LINK)
    assert 60_000 < len(text) <= 65_000
    assert len(text.encode()) <= 262_000
    assert not left_open(text)
    assert "**Left out here, for length:**" in text
    compare_with_golden("large.md", text)


@pytest.mark.parametrize("longest", [0, 1, 50, 100, 300, 500, 1_000, 2_000, 5_000, 20_000])
def test_the_bound_holds_whatever_it_is(thousand, longest):
    """Even where hardly anything fits."""
    text = comment(thousand, marker=MARKER, link=LINK, longest=longest)
    assert len(text) <= longest
    assert not left_open(text) or not text


def test_the_worst_stays(thousand):
    """The verdict is given up last, and so is the table before the details."""
    text = comment(thousand, marker=MARKER, longest=1_500)
    assert text.startswith(f"{MARKER}\n🔄 **Changes serving** — 1000 models get a new version")
    assert "| `model-0000` | new version |" in text
    assert "<details>" not in text


def test_the_marker_stands_first():
    """It is what the comment is found by."""
    assert comment(EXAMPLES["no-change"](), marker=MARKER).startswith(f"{MARKER}\n")


@settings(max_examples=100, deadline=None, phases=QUICK)
@given(PREVIEWS, st.sampled_from((300, 2_000, 65_000)), st.booleans())
def test_texts_of_others_have_no_effect(preview, longest, public):
    """No link, no image, no HTML, no mention but ours; bounded, and nothing is left open."""
    for shown in (preview, for_readers(preview, public=public)):
        text = comment(shown, marker=MARKER, link=LINK, longest=longest)
        assert len(text) <= longest
        assert offences(text) == []
        assert not text or not left_open(text)
        text.encode()


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("`" * 90 + "@a" + "`" * 90)
@example("\\")
def test_any_text_is_shown_without_effect(text):
    """One that is told as a note, in a list."""
    preview = Preview("", "", True, "NoChange", notes=(Note(text, text),))
    assert offences(comment(preview, marker=MARKER)) == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_offences_are_seen(attack):
    """A test that cannot fail proves nothing: most attacks are offences where they are not escaped."""
    if attack in HARMLESS_ALONE:
        return
    assert offences(f"x {attack} x") or left_open(f"x\n{attack}\nx") or offences(f"x\n\n{attack}\n\nx")


HARMLESS_ALONE = {
    *("-->", "`", "|", "\\|", "\\", "\r\n- item", "/close", "- x", "=====", "~bug", "%v1", "$x$", "__x__"),
    *("&amp;", "&lt;b&gt;", "\u202eabc", "\x1b[31m", "x" * 500, "{{ 7 * 7 }}", "{% raw %}"),
}


def test_a_quick_action_of_gitlab_begins_no_line():
    """Outside of fences no line begins with a text of others."""
    note = Note("/close", "/merge")
    preview = Preview("/a", "/b", True, "NoChange", needs=("/close",), notes=(note,))
    application = ApplicationPreview("/close", "/x", Plan("", "", ""), {}, notes=(note,))
    text = comment(
        Preview("", "", True, "Safe", (application, application), needs=preview.needs), marker=MARKER
    )
    assert not [line for line in text.splitlines() if line.lstrip().startswith("/")]


def test_what_may_be_copied_is_whole():
    """A plan's digest is approved by command, and an address is looked at."""
    made = EXAMPLES["new-version"]()
    text = comment(made, marker=MARKER)
    assert f"`{made.applications[0].plan.digest[:12]}`" in text
    assert '"gs://models/iris/2"' in text


def test_every_table_is_a_table():
    """Nobody's text adds a cell."""
    text = comment(EXAMPLES["new-version"](), marker=MARKER)
    assert sum(token.type == "table_open" for token in tokens(text)) == 3
