"""Hostile archives: every one is refused with a reason and leaves nothing outside its folder."""

import contextlib
import gzip
import io
import stat
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.serving.archives import unpack
from runtime.serving.intake import Intake, safe_path
from runtime.serving.storage import StorageRules
from schemas.errors import InputError

RULES = StorageRules(max_bytes=1_000_000, max_files=10)


def taken(tmp_path: Path, name: str, content: bytes) -> dict[str, int]:
    (tmp_path / "archive").write_bytes(content)
    intake = Intake(tmp_path / "files", RULES, threading.Event(), lambda *_: None)
    unpack(name, tmp_path / "archive", intake, RULES)
    return {entry.path: entry.size for entry in intake.entries}


def reason(tmp_path: Path, name: str, content: bytes) -> str:
    with pytest.raises(InputError) as failure:
        taken(tmp_path, name, content)
    assert failure.value.message.isprintable()
    return failure.value.reason


def tar(*members: tarfile.TarInfo | str, data: bytes = b"data") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isreg():
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special(kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo("special")
    info.type, info.linkname = kind, target
    return info


def zipped(*names: str, data: bytes = b"data", mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return buffer.getvalue()


def test_plain_files_are_taken(tmp_path):
    """Folders arise as needed, and a leading ``./`` is what tar writes."""
    folder = tarfile.TarInfo("deep")
    folder.type = tarfile.DIRTYPE
    assert taken(tmp_path, "a.tgz", tar(folder, "./a", "deep/b")) == {"a": 4, "deep/b": 4}


@pytest.mark.parametrize("path", ["../out", "/out", "a/../../out", "a//b", "a/./b", "x" * 300, "a\nb"])
def test_paths_out_of_the_folder_are_refused(tmp_path, path):
    """In tar and zip alike."""
    for name, content in (("a.tar.gz", tar(path)), ("a.zip", zipped(path))):
        place = tmp_path / name
        place.mkdir()
        assert reason(place, name, content) in ("ArtifactEscapes", "InvalidArchive")
        assert not (tmp_path / "out").exists()


def test_a_file_without_a_name_is_refused(tmp_path):
    """An empty name is no path."""
    assert reason(tmp_path, "a.tar.gz", tar("")) == "ArtifactEscapes"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_of_a_tar_are_refused(tmp_path, kind):
    """Only plain files are taken."""
    assert reason(tmp_path, "a.tar.gz", tar("a", special(kind, "/etc/passwd"))) == "ArtifactEscapes"


def test_links_of_a_zip_are_refused(tmp_path):
    """The Unix mode in a zip can say symbolic link."""
    assert reason(tmp_path, "a.zip", zipped("link", mode=stat.S_IFLNK | 0o777)) == "ArtifactEscapes"


def test_bombs_are_cut_off(tmp_path):
    """The bound is on what comes out, not on what goes in."""
    big = b"\0" * 2_000_000
    for name, content in (("a.tar.gz", tar("a", data=big)), ("a.zip", zipped("a", data=big))):
        place = tmp_path / name
        place.mkdir()
        assert len(content) < 10_000
        assert reason(place, name, content) == "ArtifactTooLarge"


def test_a_header_that_announces_too_much_is_not_read(tmp_path):
    """A tar header may claim any length of its own name; that much is never read into memory."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**33
    content = gzip.compress(info.tobuf() + b"\0" * 4096)
    assert reason(tmp_path, "a.tar.gz", content) == "InvalidArchive"


def test_too_many_entries_are_refused(tmp_path):
    """Files above the bound, and folders above four times as many."""
    folders = []
    for number in range(50):
        folder = tarfile.TarInfo(f"d{number}")
        folder.type = tarfile.DIRTYPE
        folders.append(folder)
    for index, content in enumerate((tar(*(f"f{n}" for n in range(11))), tar(*folders))):
        place = tmp_path / str(index)
        place.mkdir()
        assert reason(place, "a.tar.gz", content) == "ArtifactTooLarge"


@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/b"), ("a/b", "a")])
def test_a_name_that_comes_twice_is_refused(tmp_path, names):
    """Also as file and folder."""
    assert reason(tmp_path, "a.tar.gz", tar(*names)) == "ArtifactEscapes"


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.zip"])
@pytest.mark.parametrize("content", [b"", b"junk", tar("a")[:40], zipped("a")[:-10], b"\x1f\x8b" + b"x" * 50])
def test_what_is_no_archive_is_refused(tmp_path, name, content):
    """Empty, cut and random bytes are InputErrors, or hold nothing."""
    try:
        entries = taken(tmp_path, name, content)
    except InputError:
        entries = {}
    assert entries == {}


@given(st.binary(max_size=200), st.sampled_from(["a.tar", "a.tar.gz", "a.zip"]))
def test_random_bytes_are_refused_or_empty(tmp_path_factory, content, name):
    """No bytes raise anything but InputError."""
    with contextlib.suppress(InputError):
        assert taken(tmp_path_factory.mktemp("random"), name, content) == {}


@given(st.text("ab./\\\0é\n", max_size=12))
def test_a_safe_path_stays_inside(path):
    """What safe_path lets through names a place below any folder, by one spelling."""
    try:
        safe_path(path)
    except InputError:
        return
    assert Path("/top", path).resolve().is_relative_to("/top")
    assert Path("/top", path).relative_to("/top").as_posix() == path
