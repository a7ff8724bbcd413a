"""Trains the example's tiny artifacts: what the manifests' ``storageUri``s lead to on one machine.

    python train.py artifacts

Runs in any Python that has scikit-learn, such as the environment the controller makes for MLServer, and
asks no network: the data set comes with scikit-learn. Stops at files below the folder it is given, laid
out as in the bucket they stand in for. Nobody who has real artifacts needs this file.
"""

import json
import sys
from pathlib import Path

import joblib
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

SAMPLES = "scv2/samples/mlserver_1.3.5"
ROW = [[1.0, 2.0, 3.0, 4.0]]  # the row that the docs ask about; every artifact answers class 2


def artifacts() -> dict[str, tuple[str, ClassifierMixin]]:
    """Folder name → model name and untrained classifier. ``iris-sklearn-v2`` is what an update goes to."""
    return {
        "iris-sklearn": ("iris", LogisticRegression(max_iter=1000)),
        "iris-sklearn-v2": ("iris", LogisticRegression(max_iter=1000, C=10.0)),
        "iris2-sklearn": ("iris2", DecisionTreeClassifier(random_state=0)),
    }


def model_settings(name: str) -> dict[str, object]:
    """The ``model-settings.json`` that MLServer reads; the controller rewrites name and version."""
    return {
        "name": name,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "inputs": [{"name": "predict", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "predict", "datatype": "INT64", "shape": [-1, 1]}],
        "parameters": {"uri": "./model.joblib", "version": "1"},
    }


def write(folder: Path, name: str, classifier: ClassifierMixin) -> None:
    """Train on all of iris and write model and settings."""
    features, classes = load_iris(return_X_y=True)
    classifier.fit(features, classes)
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(classifier, folder / "model.joblib")
    (folder / "model-settings.json").write_text(json.dumps(model_settings(name), indent=2) + "\n")
    print(f"{folder}: {type(classifier).__name__}, {ROW[0]} is class {classifier.predict(ROW)[0]}")


def main() -> int:
    """Write every artifact below the folder named on the command line."""
    if len(sys.argv) != 2:
        print("usage: python train.py FOLDER", file=sys.stderr)
        return 2
    for folder, (name, classifier) in artifacts().items():
        write(Path(sys.argv[1]) / SAMPLES / folder, name, classifier)
    return 0


if __name__ == "__main__":
    sys.exit(main())
