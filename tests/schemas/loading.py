"""Short ways to read manifests in tests, and to say what came out."""

from schemas.load import FileReading, Loaded, combine, read_file
from schemas.problem import Problem

HEADER = "apiVersion: mlops.seldon.io/v1alpha1\n"


def reading(text: str | bytes, file: str = "file.yaml", namespace: str = "default") -> FileReading:
    """One file."""
    return read_file(file, text.encode() if isinstance(text, str) else text, namespace)


def load(*texts: str) -> Loaded:
    """A source of files ``file0.yaml``, ``file1.yaml``, …"""
    return combine([reading(text, f"file{number}.yaml") for number, text in enumerate(texts)])


def model(name: str, *lines: str) -> str:
    """A Model with further lines in its spec."""
    spec = "".join(f"  {line}\n" for line in lines)
    return f"{HEADER}kind: Model\nmetadata: {{name: {name}}}\nspec:\n  storageUri: gs://models/{name}\n{spec}"


def told(problem: Problem) -> str:
    """A problem in one line, as the tables of this folder write it."""
    parts = [
        f"{problem.line}:{problem.column} {problem.severity} {problem.code} {problem.path or '-'}",
        problem.message,
        problem.hint,
    ]
    return " | ".join(part for part in parts if part)


def codes(loaded: Loaded | FileReading) -> list[str]:
    """The codes of all problems, in order."""
    return [problem.code for problem in loaded.problems]
