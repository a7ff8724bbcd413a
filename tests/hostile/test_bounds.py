"""Content that costs much more than it weighs, and names that lead or draw elsewhere: refused or harmless."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement.inventory import ReplicaId
from reconciler.control.intent_store import IntentStore
from reconciler.control.loop import Controller
from reconciler.control.sync_policy import IgnoredDifference
from reconciler.control.windows import SyncWindow, check_window, judge_windows
from reconciler.history import History
from reconciler.planning.ignored import check_pointer, with_ignored
from reconciler.server_log import read_log
from reconciler.web.api import Questions, make_app
from schemas.errors import InputError, MoorageError
from schemas.load import combine, read_file
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY, model

NOW = datetime(2026, 2, 28, 12, tzinfo=UTC)
HEAD = b"apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\nmetadata: {name: a}\nspec:\n"
LAUGHS = b"".join(b"l%d: &l%d [%s]\n" % (n, n, b", ".join([b"*l%d" % (n - 1)] * 9)) for n in range(1, 20))

DOCUMENTS = {
    "deep lists (CVE-2023-40584)": b"a: " + b"[" * 100_000,
    "deep maps": b"{a: " * 50_000,
    "deep blocks": b"\n".join(b" " * n + b"a:" for n in range(2_000)),
    "deep flow in a field": HEAD + b"  storageUri: " + b"[" * 20_000 + b"]" * 20_000,
    "a billion laughs (CVE-2022-31016)": b"l0: &l0 [a, a]\n" + LAUGHS,
    "an alias in itself": b"a: &a [*a]\n",
    "merges that double": b"m0: &m0 {a: 1}\n" + b"".join(b"m%d: &m%d {<<: [*m%d, *m%d]}\n" % (n, n, n - 1, n - 1) for n in range(1, 40)),
    "a tag that makes objects": HEAD + b"  storageUri: !!python/object/apply:os.system [id]\n",
    "a tag of another kind": HEAD + b"  storageUri: !<tag:x,2000:y> z\n",
    "one key twice": HEAD + b"  storageUri: gs://a\n  storageUri: gs://b\n",
    "a number of a million digits": HEAD + b"  storageUri: gs://a\n  memory: " + b"9" * 1_000_000,
    "an exponent": HEAD + b"  storageUri: gs://a\n  replicas: 1e999999999\n",
    "sixties (12:30:45:…)": HEAD + b"  storageUri: gs://a\n  replicas: " + b":".join([b"59"] * 5_000),
    "half a character": HEAD + b'  storageUri: "\\ud800"\n',
    "another encoding": "a: ü".encode("utf-16"),
    "zero bytes": b"\0" * 10_000,
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_is_a_bomb_is_a_problem(name: str) -> None:
    """It makes nothing a resource, and the problem can be shown."""
    loaded = combine([read_file("a.yaml", DOCUMENTS[name], "default")])
    assert loaded.problems or loaded.skipped
    assert loaded.resources == ()
    assert all(len(problem.message) < 2_000 for problem in loaded.problems)


SCHEDULES = (
    "0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 29 2 1#5", "*/0 * * * *", "1-0/9 * * * *", "* * * * * *", "@yearly",
    "0-59/1,0-59/1,0-59/1,0-59/1 0-23 * * *", "9" * 99 + " * * * *", "* * * *", "L L L L L", "0 0 L * 5L", "\0 * * * *",
)  # fmt: skip


@given(
    st.sampled_from(SCHEDULES)
    | st.text("0123456789*/,-#LW ", max_size=30)
    | st.lists(st.sampled_from(("*", "0", "29", "2", "*/7", "1-5", "L", "5L", "1#5")), min_size=5, max_size=5).map(" ".join)
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_a_schedule_is_refused_or_answered(schedule: str) -> None:
    """Catastrophic cron: what never fires is no window, and what is one has an answer at any time."""
    window = SyncWindow("deny", schedule, timedelta(hours=1))
    try:
        check_window(window)
    except InputError as error:
        assert error.reason == "InvalidSyncWindow"  # noqa: PT017 (both ends are right, this one by its reason)
        return
    verdict = judge_windows([window], NOW)
    assert verdict.until is None or verdict.until > NOW


@given(
    st.text("/~01spec-replicametdnoabls9", max_size=600)
    | st.just("/spec" + "/a" * 240)
    | st.just("/spec/" + "~1" * 240)
)
@settings(max_examples=150, deadline=None)
def test_a_pointer_is_refused_or_looked_up(pointer: str) -> None:
    """CVE-2024-32476 (jq bombs): a pointer is steps and nothing else; it leaves a valid resource."""
    try:
        check_pointer(pointer)
    except InputError:
        return
    wanted, live = model("iris"), model("iris", replicas=3)
    ignored = with_ignored(wanted, live, [IgnoredDifference("Model", (pointer,))])
    assert ignored.key == wanted.key


CLIMBS = (
    "..",
    "../..",
    "%2e%2e",
    "..%2f..%2fetc",
    "/etc/passwd",
    "a\0b",
    ".",
    "",
    "a/../../b",
    "\\..\\x",
    "~",
    "x" * 5_000,
)


@pytest.mark.parametrize("name", CLIMBS)
def test_a_log_is_only_found_below_the_state_folder(tmp_path: Path, name: str) -> None:
    """CVE-2022-24731: a name is never a path."""
    for folder in (tmp_path / "secret", tmp_path / "servers" / "secret"):
        folder.mkdir(parents=True)
        (folder / "server.log").write_text("secret")
        (folder / "log").write_text("secret")
    for replica in (ReplicaId(name, "mlserver", 0), ReplicaId("default", name, 0), ReplicaId(name, name, -1)):
        with pytest.raises(MoorageError):
            read_log(tmp_path / "servers" / "state", replica, 10)


def ask(folder: Path, path: str) -> httpx.Response:
    """What the API answers, over no network."""

    async def story() -> httpx.Response:
        history, intents = History(folder / "h.sqlite"), IntentStore(folder / "i.sqlite")
        controller = Controller([], SimulatedRuntime(), POLICY, history, intents)
        transport = httpx.ASGITransport(make_app(Questions(controller, folder, {}, "test")))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get(path)
        history.close()
        intents.close()
        return answer

    return asyncio.run(story())


DRAWS = ("<script>alert(1)</script>", "javascript:alert(1)", "[x](javascript:y)", "\x1b[2J", "\u202e")
PATHS = ("applications/{}", "applications/{}/plan", "servers/{}/a/0/log", "resources?kind={}")


@pytest.mark.parametrize("name", [*CLIMBS, *DRAWS])
@pytest.mark.parametrize("path", PATHS)
def test_a_hostile_path_is_answered_as_json(tmp_path: Path, path: str, name: str) -> None:
    """CVE-2022-31035, 2024-28175, 2026-45738: what is repeated is never a page, and bounded."""
    answer = ask(tmp_path, f"/api/v1/{path.format(quote(name, safe='/%.'))}")
    assert answer.status_code < 500
    assert "html" not in answer.headers.get("content-type", "")
    assert len(answer.content) < 20_000
