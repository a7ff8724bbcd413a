"""gitops-example/ is what people copy: every file of it holds."""

import re
from pathlib import Path

import pytest
import yaml

from reconciler.config_file import load_config
from runtime.serving.environments import recipe
from schemas.defaults import default_server_configs
from schemas.load import combine, read_file
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


def test_nothing_in_it_is_wrong_or_doubtful() -> None:
    """Read as an application would read it, all of it is resources and no file is a problem."""
    files = [path for path in sorted(EXAMPLE.rglob("*.yaml")) if ".moorage" not in path.parts]
    loaded = combine(
        [read_file(path.name, path.read_bytes(), "default") for path in files],
        known=default_server_configs("default"),
    )
    assert loaded.problems == ()
    assert len(loaded.resources) == len(MANIFESTS)


def test_the_configuration_is_read() -> None:
    """moorage.yaml follows the repository it lies in and leads the bucket to local artifacts."""
    config = load_config(EXAMPLE / "moorage.yaml")
    assert [application.repository for application in config.applications] == [str(EXAMPLE)]
    assert config.storage.map[0].target == str(EXAMPLE / "artifacts")


def test_the_configured_packages_are_locked() -> None:
    """The list of MLServer's packages is the one that Moorage ships a lock with hashes for."""
    assert recipe(load_config(EXAMPLE / "moorage.yaml").packages["mlserver"]).hashed
