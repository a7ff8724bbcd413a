"""Unpacking an artifact that comes as one archive: tar, gzipped tar or zip.

Only plain files are taken; where they may land and how much there may be is the intake's business.
"""

import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import IO, cast

from runtime.serving.intake import Intake
from runtime.serving.storage import StorageRules
from runtime.serving.text import one_line
from schemas.errors import InputError, MoorageError

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
_READ_LIMIT = 16 * 1024 * 1024  # bytes an archive's own tables may ask for in one read


def unpack(name: str, archive: Path, intake: Intake, rules: StorageRules) -> None:
    """Take in what an archive holds. Its top is the artifact's top. InputError ``InvalidArchive`` and
    those of :meth:`Intake.add`; links and devices are refused."""
    try:
        with archive.open("rb") as file:
            if name.lower().endswith(".zip"):
                _unpack_zip(file, intake, rules)
            else:
                _unpack_tar(file, name, intake, rules)
    except MoorageError:
        raise
    except Exception as error:  # decompressors raise all sorts of things on hostile bytes
        raise InputError("InvalidArchive", f"{name}: {one_line(str(error), 200)}") from error


def _unpack_tar(file: IO[bytes], name: str, intake: Intake, rules: StorageRules) -> None:
    plain = file if name.lower().endswith(".tar") else cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    with tarfile.open(fileobj=cast("IO[bytes]", _Guarded(plain)), mode="r:") as tar:
        for count, member in enumerate(tar):
            _bound_members(count, rules)
            if member.isdir():
                continue
            if not member.isreg():
                raise InputError("ArtifactEscapes", f"{name}: {one_line(member.name, 200)} is no plain file")
            stream = tar.extractfile(member)
            assert stream is not None
            intake.add(member.name.removeprefix("./"), stream)


def _unpack_zip(file: IO[bytes], intake: Intake, rules: StorageRules) -> None:
    with zipfile.ZipFile(cast("IO[bytes]", _Guarded(file))) as archive:
        for count, member in enumerate(archive.infolist()):
            _bound_members(count, rules)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.filename.endswith("/"):
                continue
            if kind not in (0, stat.S_IFREG):
                raise InputError("ArtifactEscapes", f"{one_line(member.filename, 200)} is no plain file")
            with archive.open(member) as stream:
                intake.add(member.filename, stream)


def _bound_members(count: int, rules: StorageRules) -> None:
    if count >= 4 * rules.max_files:  # folders count here, and are not kept
        raise InputError("ArtifactTooLarge", f"more than {4 * rules.max_files} entries in the archive")


class _Guarded(io.RawIOBase):
    """A readable file that refuses huge single reads: an archive's header may announce any size, and
    the libraries would read that much into memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size > _READ_LIMIT:
            raise InputError("InvalidArchive", "its tables are too large")
        content = self._file.read(size if size >= 0 else _READ_LIMIT + 1)
        if len(content) > _READ_LIMIT:
            raise InputError("InvalidArchive", "its tables are too large")
        return content

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
