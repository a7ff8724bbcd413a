"""``moorage validate``: formats, summaries and exit statuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.repository import FILES, commit, model

Golden = Callable[[str, str], None]

BAD = model("iris").replace("storageUri", "storageUrl")
LONELY = model("iris", server="nobody")


@pytest.fixture
def manifests(folder: Path) -> Path:
    """A folder with a good, a bad and a foreign manifest, and one that refers to nothing."""
    below = folder / "manifests"
    (below / ".hidden").mkdir(parents=True)
    (below / "bad.yaml").write_text(BAD.replace("name: iris", "name: bad"))
    (below / "good.yaml").write_text(FILES["servers/mlserver.yaml"])
    (below / "lonely.yaml").write_text(LONELY)
    (below / "other.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n")
    (below / ".hidden" / "x.yaml").write_text("{")
    (below / "notes.txt").write_text("{")
    return below


@pytest.mark.parametrize("form", ["table", "json", "github"])
def test_every_problem_is_written(run: Run, manifests: Path, golden: Golden, form: str) -> None:
    """Code, place, resource, path, message and hint of each, whatever the format."""
    ran = run("validate", manifests.name, "-o", form)
    assert ran.status == 1
    golden(f"validate-{form}", ran.out + ran.err)


def test_the_json_has_the_documented_fields(run: Run, manifests: Path) -> None:
    """The field names are part of the interface."""
    found = json.loads(run("validate", manifests.name, "-o", "json").out)
    assert set(found) == {"problems", "summary"}
    assert set(found["summary"]) == {"documents", "resources", "skipped", "errors", "warnings"}
    fields = {
        "severity",
        "code",
        "file",
        "line",
        "column",
        "kind",
        "namespace",
        "name",
        "path",
        "message",
        "hint",
    }
    assert all(set(problem) == fields for problem in found["problems"])


def test_no_problem_exits_with_zero(run: Run, manifests: Path) -> None:
    """Nothing on stdout, the counts on stderr."""
    ran = run("validate", str(manifests / "good.yaml"))
    assert (ran.status, ran.out) == (0, "")
    assert ran.err == "1 documents, 1 resources, 0 skipped, 0 errors, 0 warnings\n"


def test_warnings_alone_exit_with_zero(run: Run, manifests: Path) -> None:
    """A reference to nothing is a warning; --strict makes it count."""
    lonely = str(manifests / "lonely.yaml")
    assert run("validate", lonely).status == 0
    assert run("validate", lonely, "--strict").status == 1


def test_what_the_configuration_declares_is_known(run: Run, folder: Path, manifests: Path) -> None:
    """With --config a model may refer to a server that is not in Git."""
    (folder / "moorage.yaml").write_text(
        "applications: [{name: example, repository: .}]\n"
        "servers:\n- apiVersion: mlops.seldon.io/v1alpha1\n  kind: Server\n"
        "  metadata: {name: nobody}\n  spec: {serverConfig: mlserver}\n"
    )
    assert run("validate", str(manifests / "lonely.yaml"), "--strict", "--config", "moorage.yaml").status == 0


def test_a_revision_is_validated_without_a_checkout(run: Run, folder: Path) -> None:
    """--repo and --revision read Git objects; --path looks below a folder."""
    commit(folder / "repository.git", {**FILES, "models/bad.yaml": BAD.replace("name: iris", "name: bad")})
    ran = run("validate", "--repo", "repository.git", "--revision", "main")
    assert (ran.status, ran.out.splitlines()[1].split()[0]) == (1, "models/bad.yaml:5:3")
    assert run("validate", "--repo", "repository.git", "--revision", "main", "--path", "servers").status == 0
    assert run("validate", "--repo", "repository.git", "--revision", "main~1").status == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nowhere.yaml"],
        ["x", "--repo", "repository.git"],
        ["--repo", "repository.git", "--revision", "nowhere"],
        ["--repo", "nowhere.git"],
    ],
)
def test_what_cannot_be_read_exits_with_two(run: Run, arguments: list[str]) -> None:
    """Not a judgement about manifests: status 2 and one line."""
    ran = run("validate", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("moorage: ")
    assert ran.err.count("\n") == 1


def test_links_in_a_folder_are_not_followed(run: Run, folder: Path) -> None:
    """A link could lead anywhere, or around in a circle."""
    (folder / "m").mkdir()
    (folder / "m" / "link.yaml").symlink_to(folder / "moorage.yaml")
    (folder / "m" / "loop").symlink_to(folder / "m")
    assert run("validate", "m").err.startswith("0 documents")
