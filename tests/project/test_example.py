"""gitops-example/ is what people copy: every file of it holds."""

import re
from pathlib import Path

import pytest
import yaml

from tests.project.conftest import ROOT

EXAMPLE = ROOT / "gitops-example"
MANIFESTS = sorted(
    path for path in EXAMPLE.glob("*/*.yaml") if path.parent.name in ("experiments", "models", "servers")
)
each_manifest = pytest.mark.parametrize(
    "path", MANIFESTS, ids=lambda path: path.relative_to(EXAMPLE).as_posix()
)


@each_manifest
def test_a_manifest_names_its_schema(path: Path) -> None:
    """Editors find the schema of the manifest's own kind in its first line."""
    kind = yaml.safe_load(path.read_text())["kind"].lower()
    schema = f"https://moorage.dev/schemas/v1alpha1/{kind}.schema.json"
    assert path.read_text().splitlines()[0] == f"# yaml-language-server: $schema={schema}"


@each_manifest
def test_a_manifest_is_of_the_reference_group(path: Path) -> None:
    """Manifests are those of Seldon Core 2."""
    assert yaml.safe_load(path.read_text())["apiVersion"] == "mlops.seldon.io/v1alpha1"


def test_each_folder_has_a_manifest() -> None:
    """A server, two models and an experiment."""
    assert [path.parent.name for path in MANIFESTS] == ["experiments", "models", "models", "servers"]


def test_every_artifact_is_trained() -> None:
    """What a storageUri names below the mapped prefix is a folder that train.py writes."""
    script = (EXAMPLE / "train.py").read_text()
    uris = re.findall(r"storageUri: (\S+)", "".join(path.read_text() for path in MANIFESTS))
    folders = [uri.removeprefix("gs://seldon-models/").rpartition("/") for uri in uris]
    assert [(parent, f'"{name}":' in script) for parent, _, name in folders] == [
        ("scv2/samples/mlserver_1.3.5", True)
    ] * 2
