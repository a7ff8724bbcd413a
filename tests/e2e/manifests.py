"""Manifests as a team would write them, from the few facts that a scenario is about."""

from typing import Any

import yaml

from tests.e2e.parts import IRIS

API = "mlops.seldon.io/v1alpha1"
Manifest = dict[str, Any]


def manifest(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def server(name: str = "mlserver", *, memory: str = "1Gi", **spec: Any) -> Manifest:
    """A Server of that memory request; ``spec`` holds further fields."""
    container = {"name": "mlserver", "resources": {"requests": {"memory": memory}}}
    return manifest(
        "Server", name, {"serverConfig": "mlserver", "podSpec": {"containers": [container]}, **spec}
    )


def model(
    name: str, uri: str = IRIS, *, requirements: tuple[str, ...] = ("sklearn",), **spec: Any
) -> Manifest:
    """A Model; ``spec`` holds further fields."""
    return manifest("Model", name, {"storageUri": uri, "requirements": list(requirements), **spec})


def experiment(name: str, weights: dict[str, int], **spec: Any) -> Manifest:
    """An Experiment on models; ``spec`` holds further fields."""
    candidates = [{"name": candidate, "weight": weight} for candidate, weight in weights.items()]
    return manifest("Experiment", name, {"candidates": candidates, **spec})


def tree(*manifests: Manifest) -> dict[str, str]:
    """One file per manifest, one folder per kind: path → text."""
    return {
        f"{each['kind'].lower()}s/{each['metadata']['name']}.yaml": yaml.safe_dump(each, sort_keys=False)
        for each in manifests
    }
