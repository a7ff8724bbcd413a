"""The artifact store: what it fetches, what it refuses, what it keeps."""

import asyncio
import contextlib
import functools
import http.server
import os
import shutil
import sys
import threading
import time
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from runtime.ports import Artifact
from runtime.serving.artifacts import FsspecArtifactStore
from runtime.serving.intake import FetchProgress
from runtime.serving.repository import lay
from runtime.serving.storage import PrefixMapping, StorageRules
from schemas.errors import InputError, MoorageError, TransientError
from schemas.specs import ModelSpec

pytestmark = pytest.mark.anyio


class Bench:
    """A store over one allowed root."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.cache = folder / "cache"

    def store(self, **rules: object) -> FsspecArtifactStore:
        allowed = {"roots": (self.root,), "schemes": ("file", "http", "memory", "s3"), **rules}
        return FsspecArtifactStore(self.cache, StorageRules(**allowed))

    def write(self, name: str, content: bytes = b"weights") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    async def fetch(self, uri: object, **rules: object) -> Artifact:
        return await self.store(**rules).fetch(str(uri), None, "default")

    async def refused(self, uri: object, **rules: object) -> MoorageError:
        with pytest.raises(MoorageError) as failure:
            await self.fetch(uri, **rules)
        assert not list((self.cache / ".staging").glob("*"))
        return failure.value


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def contents(artifact: Artifact) -> dict[str, bytes]:
    folder = artifact.folder
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("form", ["{}", "file://{}", "{}/"])
async def test_a_local_folder_is_fetched_whole(bench, form):
    """Every file below it arrives, read-only."""
    bench.write("iris/model.joblib")
    bench.write("iris/deep/.hidden", b"more")
    artifact = await bench.fetch(form.format(bench.root / "iris"))
    assert contents(artifact) == {"model.joblib": b"weights", "deep/.hidden": b"more"}
    assert not (artifact.folder / "model.joblib").stat().st_mode & 0o222


async def test_a_single_file_is_an_artifact(bench):
    """A model file stands alone at the top of its artifact."""
    artifact = await bench.fetch(bench.write("iris.joblib"))
    assert contents(artifact) == {"iris.joblib": b"weights"}


async def test_the_digest_is_of_paths_and_bytes_alone(bench):
    """Place, times and modes do not count; names and bytes do."""
    for folder in ("a", "b"):
        bench.write(f"{folder}/model.joblib")
    os.utime(bench.root / "b" / "model.joblib", (1, 1))
    bench.write("c/other.joblib")
    bench.write("d/model.joblib", b"other")
    digests = [(await bench.fetch(bench.root / folder)).digest for folder in "abcd"]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


async def test_what_is_cached_is_found_by_its_digest(bench):
    """Also by another store over the same folder, without the source."""
    artifact = await bench.fetch(bench.write("iris.joblib"))
    shutil.rmtree(bench.root)
    assert bench.store().cached(artifact.digest) == artifact
    assert bench.store().cached("0" * 64) is None


@pytest.mark.parametrize("damage", ["change", "cut", "remove"])
async def test_a_damaged_artifact_is_not_cached_and_can_be_fetched_again(bench, damage):
    """A file that changed, shrank or vanished in the cache is noticed without hashing."""
    path = bench.write("iris/model.joblib")
    artifact = await bench.fetch(path.parent)
    victim = artifact.folder / "model.joblib"
    victim.chmod(0o644)
    if damage == "remove":
        victim.unlink()
    else:
        victim.write_bytes(b"changed" if damage == "change" else b"")
        os.utime(victim, ns=(1, 1))
    assert bench.store().cached(artifact.digest) is None
    assert contents(await bench.fetch(path.parent)) == {"model.joblib": b"weights"}
    assert bench.store().cached(artifact.digest) == artifact


async def test_two_who_ask_at_once_share_one_fetch(bench):
    """The source is read once."""
    path = bench.write("iris.joblib", b"x" * 3_000_000)
    seen: list[FetchProgress] = []
    rules = StorageRules(roots=(bench.root,))
    store = FsspecArtifactStore(bench.cache, rules, seen.append)
    first, second = await asyncio.gather(*(store.fetch(str(path), None, "default") for _ in range(2)))
    assert first == second
    assert [progress.bytes_ for progress in seen] == [1048576, 2097152, 3000000]
    assert {progress.total for progress in seen} == {3_000_000}


async def test_one_who_gives_up_does_not_end_the_other(bench):
    """Cancelling one of two waiters leaves the fetch to the other."""
    path = bench.write("iris.joblib")
    store = bench.store()
    first, second = (asyncio.create_task(store.fetch(str(path), None, "default")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert contents(await second) == {"iris.joblib": b"weights"}


async def test_a_path_below_no_root_is_refused(bench, tmp_path):
    """Local files are read only where the configuration allows it, links looked through."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    (bench.root / "link").symlink_to(outside)
    for uri in (outside, bench.root / "link", "/etc/passwd", f"{bench.root}-old/x"):
        assert (await bench.refused(uri)).reason == "StorageNotAllowed"


async def test_whether_a_forbidden_path_exists_is_not_told(bench):
    """The answer is the same for what is there and what is not."""
    assert (await bench.refused("/etc/no-such-file")).reason == "StorageNotAllowed"


async def test_a_mapped_prefix_allows_its_target_and_no_more(bench, tmp_path):
    """The target folder needs no root; a link out of it does not help."""
    target = tmp_path / "mirror"
    (target / "iris").mkdir(parents=True)
    (target / "iris" / "model.joblib").write_bytes(b"mirrored")
    (target / "out").symlink_to("/etc")
    mapping = (PrefixMapping("gs://seldon-models/scv2", str(target)),)
    artifact = await bench.fetch("gs://seldon-models/scv2/iris", mappings=mapping)
    assert contents(artifact) == {"model.joblib": b"mirrored"}
    assert (
        await bench.refused("gs://seldon-models/scv2/out", mappings=mapping)
    ).reason == "StorageNotAllowed"


async def test_a_secret_is_not_asked_for_where_the_source_is_local(bench):
    """A manifest written for production works against a mapped folder without its secrets."""
    path = bench.write("iris.joblib")
    artifact = await bench.store().fetch(str(path), "minio-secret", "default")
    assert contents(artifact) == {"iris.joblib": b"weights"}


async def test_links_inside_an_artifact_are_followed_inside_only(bench):
    """A link to a file of the artifact is that file; any other is refused."""
    bench.write("iris/model.joblib")
    (bench.root / "iris" / "same").symlink_to("model.joblib")
    assert contents(await bench.fetch(bench.root / "iris"))["same"] == b"weights"
    bench.write("other.joblib")
    (bench.root / "iris" / "out").symlink_to("../other.joblib")
    assert (await bench.refused(bench.root / "iris")).reason == "ArtifactEscapes"


async def test_links_to_folders_and_pipes_are_refused(bench):
    """Neither a loop of links nor a reader that never ends."""
    for name in ("loop", "pipe"):
        bench.write(f"{name}/model.joblib")
    (bench.root / "loop" / "self").symlink_to(".")
    os.mkfifo(bench.root / "pipe" / "fifo")
    for name in ("loop", "pipe"):
        assert (await bench.refused(bench.root / name)).reason == "ArtifactEscapes"
    assert (await bench.refused(bench.root / "pipe" / "fifo")).reason == "ArtifactEscapes"


async def test_nothing_there_is_an_input_error(bench):
    """A missing path and an empty folder are the manifest's fault."""
    (bench.root / "empty").mkdir()
    for name in ("gone", "empty"):
        error = await bench.refused(bench.root / name)
        assert (type(error), error.reason) == (InputError, "ArtifactNotFound")
        assert name in error.message


@pytest.mark.parametrize("rules", [{"max_bytes": 13}, {"max_files": 1}])
async def test_bounds_hold(bench, rules):
    """Two files of seven bytes are over 13 bytes and over one file."""
    bench.write("iris/a")
    bench.write("iris/b")
    assert (await bench.refused(bench.root / "iris", **rules)).reason == "ArtifactTooLarge"
    assert not list(bench.cache.glob("[0-9a-f]*"))


async def test_fsspec_file_systems_are_read(bench):
    """Any protocol that the rules name; neighbours with the same prefix stay out."""
    memory = fsspec.filesystem("memory")
    memory.pipe({"/bench/iris/model.joblib": b"w", "/bench/iris/a/b": b"x", "/bench/iris2/c": b"y"})
    try:
        assert contents(await bench.fetch("memory://bench/iris")) == {"model.joblib": b"w", "a/b": b"x"}
        assert contents(await bench.fetch("memory://bench/iris2/c")) == {"c": b"y"}
        assert (await bench.refused("memory://bench/gone")).reason == "ArtifactNotFound"
        assert (await bench.refused("memory://bench/iris", max_files=1)).reason == "ArtifactTooLarge"
    finally:
        memory.rm("/bench", recursive=True)


class FlakyFileSystem(MemoryFileSystem):
    """Lists everything but ``deep``."""

    protocol = "flaky"

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("flaky://"))

    def ls(self, path, detail=True, **options):
        if path.rstrip("/").endswith("deep"):
            raise ConnectionResetError("the line went dead")
        return super().ls(path, detail=detail, **options)


async def test_a_listing_that_breaks_off_is_no_smaller_artifact(bench):
    """An error below one folder fails the fetch instead of leaving that folder out."""
    fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
    memory = fsspec.filesystem("memory")
    memory.pipe({"/flaky/model.joblib": b"w", "/flaky/deep/b": b"x"})
    try:
        error = await bench.refused("flaky://flaky", schemes=("flaky",))
    finally:
        memory.rm("/flaky", recursive=True)
    assert (type(error), error.reason) == (TransientError, "StorageUnreachable")


async def test_a_protocol_that_is_not_allowed_is_refused(bench):
    """The rules name the protocols; the error names the rules."""
    error = await bench.refused("ftp://host/x")
    assert error.reason == "StorageNotAllowed"
    assert "memory" in error.hint


async def test_a_missing_backend_names_the_extra(bench, monkeypatch):
    """Optional packages are asked for by the extra that brings them."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setattr(sys.modules["fsspec.registry"], "_registry", {})  # what is imported already
    error = await bench.refused("s3://bucket/iris")
    assert error.reason == "StorageBackendMissing"
    assert error.hint == "pip install 'moorage[s3]'"


async def test_an_endpoint_that_does_not_answer_is_worth_another_try(bench, tmp_path):
    """A refused connection is transient, and the secret is in neither message nor cause."""
    (tmp_path / "minio").write_text(
        "{type: s3, name: minio, parameters: "
        "{access_key_id: AKIAHUNTER, secret_access_key: hunter2hunter2, endpoint: 'http://127.0.0.1:9'}}"
    )
    store = bench.store(secrets=tmp_path)
    with pytest.raises(TransientError) as failure:
        await store.fetch("minio://bucket/iris", "minio", "default")
    assert failure.value.reason == "StorageUnreachable"
    assert "minio://bucket/iris" in failure.value.message
    assert "hunter2" not in str(failure.value) + str(failure.value.__cause__)


async def test_a_fetch_that_takes_too_long_ends(bench):
    """The limit of time holds, and the thread stops at its next block."""
    path = bench.write("iris.joblib", b"x" * 5_000_000)
    slow = FsspecArtifactStore(
        bench.cache, StorageRules(roots=(bench.root,), time_limit=0.05), lambda _: time.sleep(0.1)
    )
    with pytest.raises(TransientError, match="FetchTimeout"):
        await slow.fetch(str(path), None, "default")
    slow._threads.shutdown(wait=True)
    assert not list((bench.cache / ".staging").iterdir())
    assert not list(bench.cache.glob("[0-9a-f]*"))


async def test_the_least_recently_used_goes_when_the_cache_is_full(bench):
    """What no model uses and nobody asked for lately makes room; links of a repository protect."""
    store = bench.store(cache_bytes=20)
    old, used = [
        await store.fetch(str(bench.write(name, name.encode())), None, "d") for name in ("a.pkl", "b.pkl")
    ]
    lay(bench.cache.parent / "replica", used, "iris", 1, ModelSpec("x", requirements=("sklearn",)))
    for artifact in (old, used):
        os.utime(artifact.folder.parent / "manifest.json", (1, 1))
    new = await store.fetch(str(bench.write("c.pkl", b"x" * 15)), None, "d")
    assert store.cached(old.digest) is None
    assert store.cached(used.digest)
    assert store.cached(new.digest)


async def test_what_a_crashed_fetch_left_is_swept(bench):
    """Staging folders older than a day are removed by the next fetch."""
    left = bench.cache / ".staging" / "left"
    left.mkdir(parents=True)
    os.utime(left, (1, 1))
    await bench.fetch(bench.write("iris.joblib"))
    assert not left.exists()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files; ``/denied`` is forbidden and ``/broken`` fails."""

    def do_GET(self) -> None:
        status = {"/denied": 403, "/broken": 500}.get(self.path)
        if status:
            self.send_error(status)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web(bench):
    """An HTTP server over the bench's root."""
    handler = functools.partial(_Quiet, directory=str(bench.root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


async def test_a_model_file_is_fetched_by_http(bench, web):
    """One URL is one file, named by its last part."""
    bench.write("models/iris.joblib")
    assert contents(await bench.fetch(f"{web}/models/iris.joblib?x=1")) == {"iris.joblib": b"weights"}


async def test_an_archive_is_unpacked(bench, web):
    """A .tar.gz or .zip becomes what it holds, from any source."""
    bench.write("iris/model.joblib")
    for kind, name in (("gztar", "iris.tar.gz"), ("zip", "iris.zip")):
        shutil.make_archive(str(bench.root / "iris"), kind, bench.root / "iris")
        assert contents(await bench.fetch(f"{web}/{name}")) == {"model.joblib": b"weights"}
        assert contents(await bench.fetch(bench.root / name)) == {"model.joblib": b"weights"}


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("gone", InputError, "ArtifactNotFound"),
        ("denied", InputError, "StorageDenied"),
        ("broken", TransientError, "StorageUnreachable"),
    ],
)
async def test_http_answers_become_reasons(bench, web, path, kind, reason):
    """404, 403 and 500 are three different things to do."""
    error = await bench.refused(f"{web}/{path}")
    assert (type(error), error.reason) == (kind, reason)


async def test_credentials_in_a_url_are_in_no_error(bench, web):
    """User info and query strings of a URL do not reach messages."""
    with contextlib.suppress(MoorageError):
        await bench.fetch(f"{web.replace('//', '//user:hunter2@')}/gone?sig=hunter2")
    error = await bench.refused(f"{web}/broken/../x?sig=hunter2")
    assert "hunter2" not in str(error)
