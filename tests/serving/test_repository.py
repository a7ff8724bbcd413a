"""The model repository on disk: whole or absent, linked to the cache, nothing but what belongs there."""

import errno
import json
import os
from pathlib import Path

import pytest

from runtime.ports import Artifact
from runtime.serving.repository import lay, remove
from schemas.errors import InputError
from schemas.specs import ModelSpec

SKLEARN = ModelSpec("unused", requirements=("sklearn",))


def artifact(folder: Path, *names: str) -> Artifact:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        content = "{}" if name.endswith(".json") else name
        (folder / name).write_text(content)
    return Artifact("digest", folder)


def versioned(number: int) -> ModelSpec:
    return ModelSpec("unused", artifact_version=number, requirements=("sklearn",))


def laid(root: Path, name: str = "iris_1") -> list[str]:
    place = root / "models" / name
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def everything(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "models").iterdir())


def test_files_are_links_into_the_cache(tmp_path):
    """A replica costs no second copy of the weights; the settings file is its own."""
    source = artifact(tmp_path / "a", "model.joblib", "deep/more.bin", "model-settings.json")
    lay(tmp_path, source, "iris", 1, SKLEARN)
    assert laid(tmp_path) == ["deep/more.bin", "model-settings.json", "model.joblib"]
    place = tmp_path / "models" / "iris_1"
    assert (place / "model.joblib").samefile(source.folder / "model.joblib")
    assert not (place / "model-settings.json").samefile(source.folder / "model-settings.json")
    assert (source.folder / "model-settings.json").read_text() == "{}"


def test_another_file_system_gets_copies(tmp_path, monkeypatch):
    """Where no link is possible the files are copied."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    source = artifact(tmp_path / "a", "model.joblib")
    lay(tmp_path, source, "iris", 1, SKLEARN)
    copied = tmp_path / "models" / "iris_1" / "model.joblib"
    assert copied.read_text() == "model.joblib"
    assert not copied.samefile(source.folder / "model.joblib")


def test_laying_again_replaces_what_is_there(tmp_path):
    """What a broken attempt left is gone, and nothing hidden stays behind."""
    lay(tmp_path, artifact(tmp_path / "a", "model.joblib", "old.bin"), "iris", 1, SKLEARN)
    lay(tmp_path, artifact(tmp_path / "b", "model.joblib"), "iris", 1, SKLEARN)
    assert laid(tmp_path) == ["model-settings.json", "model.joblib"]
    assert everything(tmp_path) == ["iris_1"]


def test_a_refused_artifact_leaves_nothing(tmp_path):
    """An error while laying keeps what was there and adds nothing."""
    lay(tmp_path, artifact(tmp_path / "a", "model.joblib"), "iris", 1, SKLEARN)
    with pytest.raises(InputError):
        lay(tmp_path, artifact(tmp_path / "b", "README"), "iris", 1, SKLEARN)
    assert laid(tmp_path) == ["model-settings.json", "model.joblib"]
    assert everything(tmp_path) == ["iris_1"]


def test_removing_is_idempotent(tmp_path):
    """Removed is removed, and absent is no error."""
    lay(tmp_path, artifact(tmp_path / "a", "model.joblib"), "iris", 1, SKLEARN)
    remove(tmp_path, "iris", 1)
    remove(tmp_path, "iris", 1)
    assert everything(tmp_path) == []


def test_the_artifact_version_chooses_its_subfolder(tmp_path):
    """``artifactVersion: 2`` serves what is in ``2/``."""
    source = artifact(tmp_path / "a", "1/model.joblib", "2/model.joblib", "2/model-settings.json")
    lay(tmp_path, source, "iris", 1, versioned(2))
    assert (tmp_path / "models/iris_1/model.joblib").read_text() == "2/model.joblib"


def test_a_missing_artifact_version_is_an_error_that_lists_what_is_there(tmp_path):
    """The numbers that exist stand in the message."""
    source = artifact(tmp_path / "a", "1/model.joblib", "3/model.joblib")
    with pytest.raises(InputError, match="artifactVersion 2; there is 1, 3") as failure:
        lay(tmp_path, source, "iris", 1, versioned(2))
    assert failure.value.reason == "ArtifactVersionNotFound"


def test_settings_at_the_top_win_over_numbered_folders(tmp_path):
    """As in the reference, whatever ``artifactVersion`` says."""
    source = artifact(tmp_path / "a", "model.joblib", "model-settings.json", "2/model-settings.json")
    lay(tmp_path, source, "iris", 1, versioned(2))
    assert (tmp_path / "models/iris_1/model.joblib").read_text() == "model.joblib"


def test_without_a_version_the_highest_numbered_settings_are_taken(tmp_path):
    """As in the reference; numbers are compared as numbers."""
    names = [f"{n}/{file}" for n in (2, 10) for file in ("model.joblib", "model-settings.json")]
    lay(tmp_path, artifact(tmp_path / "a", *names), "iris", 1, SKLEARN)
    assert (tmp_path / "models/iris_1/model.joblib").read_text() == "10/model.joblib"


def test_deeper_settings_files_are_not_laid(tmp_path):
    """MLServer would register them as models of any name."""
    source = artifact(tmp_path / "a", "model.joblib", "deep/model-settings.json", "deep/x")
    lay(tmp_path, source, "iris", 1, SKLEARN)
    assert laid(tmp_path) == ["deep/x", "model-settings.json", "model.joblib"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "model.joblib"])
def test_links_are_refused(tmp_path, target):
    """The cache never holds links; an artifact that does comes from elsewhere."""
    source = artifact(tmp_path / "a", "model.joblib")
    (source.folder / "link").symlink_to(target)
    with pytest.raises(InputError, match="ArtifactEscapes"):
        lay(tmp_path, source, "iris", 1, SKLEARN)
    assert not (tmp_path / "models").exists()


def test_a_huge_settings_file_is_not_read(tmp_path):
    """More than 1 MiB of settings is refused by size."""
    source = artifact(tmp_path / "a", "model.joblib")
    (source.folder / "model-settings.json").write_text("[" * (1024 * 1024 + 1))
    with pytest.raises(InputError, match="InvalidModelSettings"):
        lay(tmp_path, source, "iris", 1, SKLEARN)


def test_the_written_settings_are_what_mlserver_reads(tmp_path):
    """The file is JSON with the versioned name."""
    lay(tmp_path, artifact(tmp_path / "a", "model.joblib"), "iris", 12, SKLEARN)
    settings = json.loads((tmp_path / "models/iris_12/model-settings.json").read_text())
    assert settings["name"] == "iris_12"
