"""Notifications: who wants what, what is said, and what was said already."""

import json
from dataclasses import replace
from string import Template

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.observability.notices import Notice
from reconciler.observability.notifications import FIELDS, Notification, Said, body, is_web
from schemas.codec import encode
from tests.observability.stories import NOON, after

FAILED = Notice("SyncFailed", "shop", NOON, "LoadFailed", "no file", "abc", "d1")
TEAM = Notification("team", ("DriftOld", "SyncFailed"), "https://hooks.example.org/T1", after=60)
LATER = 300.0


def said(notification: Notification, notice: Notice = FAILED):
    return json.loads(body(notification, notice))


@pytest.mark.parametrize(
    ("notification", "notice", "wanted"),
    [
        (TEAM, FAILED, True),
        (TEAM, replace(FAILED, kind="SyncSucceeded"), False),
        (replace(TEAM, applications=("bank",)), FAILED, False),
        (replace(TEAM, applications=("bank", "shop")), FAILED, True),
        (TEAM, replace(FAILED, kind="DriftOld", after=60), True),
        (TEAM, replace(FAILED, kind="DriftOld", after=120), False),
    ],
)
def test_what_is_wanted(notification, notice, wanted):
    """By kind, application and, for a drift, its age."""
    assert notification.wants(notice) == wanted


def test_slack_gets_one_text():
    """The default says who, what and why."""
    assert said(TEAM) == {"text": "*shop* SyncFailed (LoadFailed): no file"}


def test_a_slack_text_can_be_another():
    """The template's own markup stands; unknown words stay as they are."""
    template = "<https://moorage.example.org|$application> $$5 $kind $other"
    assert said(replace(TEAM, template=template)) == {
        "text": "<https://moorage.example.org|shop> $5 SyncFailed $other"
    }


@given(st.text())
def test_what_is_said_makes_no_markup(message):
    """No link, no mention of a channel, whatever a server or Git says."""
    text = said(TEAM, replace(FAILED, message=message))["text"]
    assert "<" not in text
    assert ">" not in text
    found = text.removeprefix("*shop* SyncFailed (LoadFailed): ")
    assert found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == message


def test_json_is_the_notice():
    """As in the feed."""
    assert said(replace(TEAM, format="json")) == encode(FAILED)
    assert sorted(encode(FAILED)) == list(FIELDS)


@given(st.text(), st.text())
def test_what_is_said_stays_in_its_string(message, reason):
    """A JSON template keeps its shape; nothing is filled in twice."""
    template = json.dumps({"a": ["$message", 1, None], "$kind": {"b": "r=$reason"}})
    notification = replace(TEAM, format="json", template=template)
    assert said(notification, replace(FAILED, message=message, reason=reason)) == {
        "a": [message, 1, None],
        "$kind": {"b": f"r={reason}"},
    }


def test_every_field_can_be_named():
    """The template's words are the notice's fields."""
    template = " ".join(f"${name}" for name in FIELDS)
    filled = said(replace(TEAM, template=template))["text"]
    assert filled == Template(template).substitute(encode(FAILED))


def test_the_address_is_not_shown():
    """Not even where somebody prints the value."""
    assert "hooks.example.org" not in repr(TEAM)


@pytest.mark.parametrize("url", ["https://a.example.org/x?y=1", "http://127.0.0.1:8080", "https://u:p@h/"])
def test_web_addresses(url):
    """http and https with a host."""
    assert is_web(url)


@pytest.mark.parametrize(
    "url",
    ["", "file:///etc/passwd", "ftp://h/", "https://", "//h/x", "https:///x", "http://h:99999/", "http://h/\n", "http://[::1"],
)  # fmt: skip
def test_other_addresses(url):
    """Nothing else is posted to."""
    assert not is_web(url)


def test_the_same_is_said_once_in_five_minutes():
    """By application, kind and reason."""
    lately = Said(LATER)
    again = [
        FAILED,
        replace(FAILED, message="x"),
        replace(FAILED, reason="Other"),
        replace(FAILED, application="b"),
    ]
    assert [lately.admits(each, after(1)) for each in again] == [True, False, True, True]
    assert lately.admits(FAILED, after(301))


def test_what_was_held_back_is_said_later():
    """The newest of it, once."""
    lately = Said(LATER)
    lately.admits(FAILED, after(0))
    newest = replace(FAILED, message="newest", at=after(20))
    for each in (replace(FAILED, message="newer", at=after(10)), newest):
        assert not lately.admits(each, each.at)
    assert lately.due(after(299)) == ()
    assert lately.due(after(300)) == (newest,)
    assert lately.due(after(900)) == ()


def test_what_is_no_longer_so_is_not_said_later():
    """Degraded, mended, degraded and mended again: the second Degraded is never said."""
    lately = Said(LATER)
    bad, good = (
        replace(FAILED, kind="HealthDegraded"),
        replace(FAILED, kind="HealthRecovered", reason="Healthy"),
    )
    assert [lately.admits(each, after(1)) for each in (bad, good, bad, good)] == [True, True, False, False]
    assert [each.kind for each in lately.due(after(400))] == ["HealthRecovered"]


@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from(["HealthDegraded", "HealthRecovered"])), max_size=40
    )
)
def test_the_last_word_is_true(story):
    """However it flaps: once quiet, the last thing said is the last thing that happened."""
    lately, clock, words, last = Said(LATER), 0, [], None
    for wait, kind in story:
        clock += wait
        words += [each.kind for each in lately.due(after(clock))]
        if kind == last:
            continue
        last = kind
        if lately.admits(replace(FAILED, kind=kind, reason="r", at=after(clock)), after(clock)):
            words.append(kind)
    for quiet in (300, 600):
        words += [each.kind for each in lately.due(after(clock + quiet))]
    assert words[-1:] == ([last] if last else [])
