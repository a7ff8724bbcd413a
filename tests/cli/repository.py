"""A small Git repository with the same commit ids on every machine."""

from collections.abc import Mapping
from pathlib import Path

import pygit2

WHO = pygit2.Signature("Ada", "ada@example.com", 1_700_000_000, 0)

SERVER = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Server
metadata: {name: mlserver}
spec:
  serverConfig: mlserver
  podSpec:
    containers:
      - {name: mlserver, resources: {requests: {memory: 1Gi}}}
"""


def model(name: str, memory: str = "100Ki", uri: str = "gs://models/one", **spec: object) -> str:
    """A sklearn Model manifest; further fields of the spec as YAML flow."""
    extra = "".join(f"  {field}: {value}\n" for field, value in spec.items())
    return (
        "apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\n"
        f"metadata: {{name: {name}}}\nspec:\n  storageUri: {uri}\n  memory: {memory}\n"
        f"  requirements: [sklearn]\n{extra}"
    )


EXPERIMENT = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Experiment
metadata: {name: split}
spec:
  default: iris
  candidates:
    - {name: iris, weight: 50}
    - {name: wine, weight: 50}
"""
PIPELINE = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Pipeline
metadata: {name: chain}
spec:
  steps: [{name: iris}]
  output: {steps: [iris]}
"""
FILES = {
    "experiments/split.yaml": EXPERIMENT,
    "models/iris.yaml": model("iris"),
    "models/wine.yaml": model("wine", uri="gs://models/wine"),
    "pipelines/chain.yaml": PIPELINE,
    "servers/mlserver.yaml": SERVER,
}


def commit(folder: Path, files: Mapping[str, str], message: str = "Change") -> str:
    """Make ``files`` the whole content of branch ``main`` of the bare repository at ``folder``."""
    repository = (
        pygit2.Repository(str(folder)) if folder.exists() else pygit2.init_repository(str(folder), bare=True)
    )
    index = pygit2.Index()
    for name, text in files.items():
        blob = repository.create_blob(text.encode())
        index.add(pygit2.IndexEntry(name, blob, pygit2.enums.FileMode.BLOB))
    branch = repository.references.get("refs/heads/main")
    parents = [branch.target] if branch else []
    tree = index.write_tree(repository)
    return str(repository.create_commit("refs/heads/main", WHO, WHO, message, tree, parents))
