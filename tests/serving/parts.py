"""Real parts for tests: MLServer's environment and small artifacts, made once per user.

They live in the user's cache folder, so they survive a clean checkout.
"""

import asyncio
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runtime.ports import Artifact
from runtime.serving.environments import DEFAULT_MLSERVER_PACKAGES, Environments, recipe
from runtime.serving.mlserver import MLServerProgram

IRIS_REQUEST = {"inputs": [{"name": "predict", "shape": [1, 4], "datatype": "FP32", "data": [[1, 2, 3, 4]]}]}

_TRAIN = """
import sys, joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
rows, kinds = load_iris(return_X_y=True)
joblib.dump(LogisticRegression(max_iter=1000).fit(rows, kinds), sys.argv[1])
"""


def cache_folder() -> Path:
    """The per-user folder of this project's test parts."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "moorage-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def environments() -> Environments:
    """Environments that are built once per user."""
    return Environments(cache_folder() / "environments", print)


def mlserver_program() -> MLServerProgram:
    """MLServer with the default packages; builds the environment where it is missing."""
    program = MLServerProgram("mlserver", environments())
    asyncio.run(program.prepare())
    return program


def iris_model() -> Path:
    """A trained scikit-learn model of iris, as a joblib file."""
    wanted = recipe(DEFAULT_MLSERVER_PACKAGES)
    path = cache_folder() / f"iris-{wanted.digest}.joblib"
    if not path.exists():
        with ThreadPoolExecutor(1) as aside:  # fixtures of running loops ask for it, too
            aside.submit(asyncio.run, environments().build(wanted)).result()
        half = path.with_suffix(f".{os.getpid()}")
        python = environments().python(wanted)
        subprocess.run([python, "-c", _TRAIN, half], check=True, env={"PATH": os.environ["PATH"]})
        half.rename(path)
    return path


def write_iris(folder: Path, settings: dict[str, object] | None = None) -> Artifact:
    """An artifact that holds the iris model, with ``model-settings.json`` where it is given."""
    folder.mkdir(parents=True)
    (folder / "model.joblib").write_bytes(iris_model().read_bytes())
    if settings is not None:
        (folder / "model-settings.json").write_text(json.dumps(settings))
    return Artifact("iris", folder)
