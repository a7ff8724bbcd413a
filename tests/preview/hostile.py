"""Previews whose every text is chosen by somebody who wants it to have an effect."""

from hypothesis import strategies as st

from placement.inventory import ReplicaId
from placement.why.remedy import Remedy
from reconciler.planning.plan import Failure, FieldChange, Load, Plan, PlanWarning, RouteChange
from reconciler.preview.preview import (
    MILDEST_FIRST,
    ApplicationPreview,
    Break,
    ModelAt,
    Note,
    Preview,
    ReplicaChange,
    ResourceChange,
    Room,
    ServingChange,
    Standing,
    Total,
)
from reconciler.preview.rendering.words import VERBS
from runtime.routes import Route, Target, WeightedTarget
from schemas.problem import Problem
from schemas.resource import key

ATTACKS = (
    "@octocat",
    "@acme/owners",
    "fixes #1",
    "acme/models#1",
    "closes GH-1",
    "fixes https://github.com/acme/models/issues/1",
    "www.example.org",
    "mailto:a@example.org",
    "a@example.org",
    "![x](https://example.org/x.png)",
    "[x](https://example.org)",
    "[x]: https://example.org",
    "<https://example.org>",
    "<img src=https://example.org/x.png>",
    "<script>alert(1)</script>",
    "</details>",
    "</summary>",
    "<details>",
    "<!--",
    "-->",
    "```",
    "~~~~",
    "`",
    "``@octocat``",
    "`" * 300,
    "|",
    "\\|",
    "\\",
    "a\n\n# heading",
    "\r\n- item",
    "/close",
    "1. x",
    "- x",
    "# x",
    "> x",
    "=====",
    "---",
    "!1",
    "~bug",
    "%v1",
    "$x$",
    "&amp;",
    "&lt;b&gt;",
    ":octocat:",
    "deadbeefcafe1234",
    "*x*",
    "__x__",
    "~~x~~",
    "\u202eabc",
    "\x1b[31m",
    "\u200b@octocat",
    "x" * 500,
    "{{ 7 * 7 }}",
    "{% raw %}",
)
TEXTS = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(max_size=20),
    st.lists(st.sampled_from(ATTACKS), max_size=3).map(" ".join),
    st.lists(st.sampled_from(ATTACKS), max_size=3).map("".join),
)
SIZES = st.integers(0, 10**12)
KEYS = st.builds(key, st.sampled_from(("Model", "Experiment", "Server")), TEXTS, TEXTS)
AT = st.builds(ReplicaId, TEXTS, TEXTS, st.integers(0, 3))
STANDINGS = st.none() | st.builds(Standing, TEXTS, st.integers(0, 3), st.lists(AT, max_size=2).map(tuple))
ROUTES = st.none() | st.builds(
    lambda name, target, weight: Route(name, name, (WeightedTarget(target, weight),)),
    TEXTS,
    st.builds(Target, TEXTS, TEXTS, st.lists(AT, max_size=2).map(tuple)),
    st.integers(0, 9),
)


def some(strategy, most: int = 2):
    return st.lists(strategy, max_size=most).map(tuple)


SERVING = st.builds(
    ServingChange,
    KEYS,
    TEXTS,
    st.sampled_from(tuple(VERBS)),
    STANDINGS,
    STANDINGS,
    st.builds(
        Break,
        st.sampled_from(("None", "Bounded", "Unknown", "Ends", "Stops", "NotServed")),
        st.integers(0, 10**6),
        TEXTS,
    ),
    st.booleans(),
)
FAILURES = st.builds(
    Failure,
    KEYS,
    TEXTS,
    TEXTS,
    st.integers(0, 3),
    st.integers(0, 3),
    st.none() | st.builds(Remedy, st.just("MoreReplicas"), message=TEXTS),
)
PROBLEMS = st.builds(
    Problem,
    st.sampled_from(("error", "warning")),
    TEXTS,
    TEXTS,
    st.integers(0, 9),
    st.integers(0, 9),
    TEXTS,
    TEXTS,
    TEXTS,
    TEXTS,
    TEXTS,
    TEXTS,
)
VALUES = st.one_of(st.none(), TEXTS, st.integers(), st.lists(TEXTS, max_size=2))
CHANGES = st.builds(
    ResourceChange,
    st.sampled_from(("create", "update", "delete")),
    KEYS,
    some(st.builds(FieldChange, TEXTS, VALUES, VALUES)),
    st.sampled_from(("Planned", "AlreadySo", "Held")),
    TEXTS,
    TEXTS,
    TEXTS,
    st.integers(0, 9),
)
LOADS = st.builds(Load, TEXTS, TEXTS, TEXTS, AT, SIZES, st.just("NewModel"), st.just(1))
PLANS = st.builds(
    Plan,
    TEXTS,
    TEXTS,
    TEXTS,
    loads=some(LOADS),
    routes=some(st.builds(RouteChange, TEXTS, TEXTS, ROUTES, ROUTES, some(ROUTES, 2))),
    digest=TEXTS,
    basis=TEXTS,
)
NOTES = some(st.builds(Note, TEXTS, TEXTS))
APPLICATIONS = st.builds(
    ApplicationPreview,
    TEXTS,
    TEXTS,
    PLANS,
    st.just({}),
    TEXTS,
    some(CHANGES),
    some(SERVING),
    some(FAILURES),
    some(FAILURES),
    some(FAILURES),
    some(st.builds(PlanWarning, KEYS, TEXTS, TEXTS)),
    some(PROBLEMS),
    st.integers(0, 3),
    NOTES,
)
ROOMS = st.none() | st.builds(Room, st.sampled_from(("Ready", "Lost")), SIZES, SIZES, SIZES)
MODELS_AT = some(st.builds(ModelAt, TEXTS, TEXTS, TEXTS, TEXTS, SIZES))
REPLICAS = st.builds(ReplicaChange, AT, TEXTS, ROOMS, ROOMS, SIZES, MODELS_AT, MODELS_AT, MODELS_AT)
TOTALS = st.builds(Total, st.integers(0, 9), SIZES, SIZES)
PREVIEWS = st.builds(
    Preview,
    TEXTS,
    TEXTS,
    st.booleans(),
    st.sampled_from(MILDEST_FIRST),
    some(APPLICATIONS, 2),
    some(REPLICAS),
    TOTALS,
    TOTALS,
    some(TEXTS),
    NOTES,
    TEXTS,
    TEXTS,
)
"""Nothing in them fits together, and all of it has to be shown."""
