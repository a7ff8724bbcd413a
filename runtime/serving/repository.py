"""The model repository of one server replica: ``models/<model>_<N>/`` below the replica's folder.

Models appear and disappear whole: they are laid beside their place under a hidden name, which
MLServer's scan skips, and renamed into it. Files are hard links into the artifact cache where the
file system allows it, so a replica costs no second copy. What MLServer reads from the settings file
is decided in :mod:`runtime.serving.model_settings`.
"""

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runtime.ports import Artifact
from runtime.serving.model_settings import SETTINGS_FILE, SETTINGS_LIMIT, model_settings
from schemas.errors import InputError, TransientError
from schemas.specs import ModelSpec

MODELS = "models"
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)


def lay(folder: Path, artifact: Artifact, model: str, number: int, spec: ModelSpec) -> None:
    """Put ``<model>_<number>`` into the repository below ``folder``, replacing what is there.

    InputError ``ArtifactEscapes`` or ``ArtifactVersionNotFound`` and those of
    :func:`~runtime.serving.model_settings.model_settings`; TransientError ``RepositoryUnwritable``.
    """
    name = _name(model, number)
    root = _version_folder(name, artifact.folder, spec.artifact_version)
    names = sorted(_files(name, root))
    settings = model_settings(name, spec, _given_settings(root), names)
    models = folder / MODELS
    try:
        models.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=models))
        try:
            _link_all(root, names, staging)
            (staging / SETTINGS_FILE).write_text(json.dumps(settings, indent=2), encoding="utf-8")
            _drop(models / name)
            staging.rename(models / name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        message = f"{name}: the model repository cannot be written: {error.strerror}"
        raise TransientError("RepositoryUnwritable", message, "check the disk") from error


def remove(folder: Path, model: str, number: int) -> None:
    """Take ``<model>_<number>`` out of the repository; absent is no error."""
    _drop(folder / MODELS / _name(model, number))


def _name(model: str, number: int) -> str:
    if not model or Path(model).name != model or model.startswith(".") or "\0" in model:
        raise InputError("InvalidName", f"{model!r} is no name of a model")
    return f"{model}_{number}"


def _version_folder(name: str, root: Path, version: int | None) -> Path:
    """Where the model is, in the reference's order: the top where it has settings, then the asked
    number, then the highest number whose folder has settings, then the top."""
    if (root / SETTINGS_FILE).is_file():
        return root
    if version is not None:
        if (root / str(version)).is_dir():
            return root / str(version)
        have = ", ".join(str(number) for number in _numbers(root)) or "none"
        raise InputError("ArtifactVersionNotFound", f"{name}: artifactVersion {version}; there is {have}")
    with_settings = [n for n in _numbers(root) if (root / str(n) / SETTINGS_FILE).is_file()]
    return root / str(with_settings[-1]) if with_settings else root


def _numbers(root: Path) -> list[int]:
    found = (entry.name for entry in root.iterdir() if entry.is_dir())
    return sorted(int(entry) for entry in found if entry.isascii() and entry.isdecimal() and entry[0] != "0")


def _files(name: str, root: Path) -> Iterator[str]:
    """Relative paths of the regular files below ``root``; anything else is refused.

    The cache never holds such things, so this guards against a store that is not ours.
    """
    for entry in sorted(root.rglob("*")):
        mode = entry.lstat().st_mode
        relative = entry.relative_to(root).as_posix()
        if stat.S_ISREG(mode):
            yield relative
        elif not stat.S_ISDIR(mode):
            raise InputError("ArtifactEscapes", f"{name}: {relative} is neither file nor folder")


def _given_settings(root: Path) -> bytes | None:
    path = root / SETTINGS_FILE
    if not path.is_file():
        return None
    if path.stat().st_size > SETTINGS_LIMIT:
        raise InputError("InvalidModelSettings", f"{SETTINGS_FILE} has more than {SETTINGS_LIMIT} bytes")
    return path.read_bytes()


def _link_all(root: Path, names: list[str], target: Path) -> None:
    for relative in names:
        # A settings file deeper down would register a model of its own under any name it likes.
        if Path(relative).name == SETTINGS_FILE:
            continue
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        _link(root / relative, target / relative)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, target)


def _drop(place: Path) -> None:
    """Remove a folder so that it is never seen half removed."""
    if not place.exists():
        return
    hidden = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    place.rename(hidden / place.name)
    shutil.rmtree(hidden, ignore_errors=True)
