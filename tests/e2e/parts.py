"""What every world of these tests shares and what is slow to make: environments and artifacts.

Both are kept in the user's cache folder, named by what they were made from, and made once.
"""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from runtime.serving.environments import DEFAULT_MLSERVER_PACKAGES, recipe
from tests.serving.parts import cache_folder, environments

ROOT = Path(__file__).parents[2]
TRAIN = ROOT / "gitops-example" / "train.py"
ENVIRONMENTS = cache_folder() / "environments"
BUCKET = "gs://seldon-models/"
SAMPLES = f"{BUCKET}scv2/samples/mlserver_1.3.5"
IRIS, IRIS_V2, IRIS2 = f"{SAMPLES}/iris-sklearn", f"{SAMPLES}/iris-sklearn-v2", f"{SAMPLES}/iris2-sklearn"

LEAN_PACKAGES = ("mlserver==1.7.1", "uvloop<0.22")
"""MLServer without the scikit-learn runtime, and so without scikit-learn."""

SLOW = """
import asyncio
from mlserver import MLModel

class Slow(MLModel):
    async def load(self):
        await asyncio.sleep(3)
        return True
"""
"""Code of a model that takes its time to load."""


def trained() -> Path:
    """The folder that stands in for the bucket, with the example's artifacts in it."""
    wanted = recipe(DEFAULT_MLSERVER_PACKAGES)
    made_from = hashlib.sha256(wanted.digest.encode() + TRAIN.read_bytes()).hexdigest()[:16]
    folder = cache_folder() / f"bucket-{made_from}"
    if not folder.exists():
        asyncio.run(environments().build(wanted))
        half = folder.with_suffix(f".{os.getpid()}")
        shutil.rmtree(half, ignore_errors=True)
        subprocess.run([environments().python(wanted), TRAIN, half], check=True)
        half.rename(folder)
    return folder


def write_code_model(folder: Path, code: str, implementation: str) -> str:
    """An artifact that brings its own code; the ``storageUri`` that names it."""
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(code)
    settings = {"name": "model", "implementation": f"model.{implementation}"}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    return f"file://{folder}"
