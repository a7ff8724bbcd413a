"""``moorage validate``: every problem of some manifests, without a controller or a cluster."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.exits import NEGATIVE, OK
from reconciler.cli.options import ConfigOption

if TYPE_CHECKING:
    from schemas.load import FileReading, Loaded
    from schemas.problem import Problem
    from schemas.resource import Resource


class Format(StrEnum):
    """How problems are written."""

    table = "table"
    json = "json"
    github = "github"


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(validate)


def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Files, or folders of manifests.", show_default=False),
    ] = None,
    repo: Annotated[
        str | None,
        typer.Option("--repo", help="Validate a revision of this repository instead.", show_default=False),
    ] = None,
    revision: Annotated[str, typer.Option("--revision", help="Branch, tag or commit.")] = "HEAD",
    path: Annotated[str, typer.Option("--path", help="Folder inside the repository.")] = ".",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace of resources that name none.")
    ] = "default",
    output: Annotated[
        Format, typer.Option("--output", "-o", help="How problems are written.")
    ] = Format.table,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings alone exit with 1, too.")] = False,
    config: ConfigOption = None,
) -> int:
    """Report everything that is wrong with manifests. Exits with 1 where there is an error."""
    from schemas.errors import InputError
    from schemas.load import combine

    if bool(paths) == bool(repo):
        raise InputError("InvalidCommand", "what is to be validated?", "name paths, or --repo")
    readings, refused = (
        _read_repository(repo, revision, path, namespace)
        if repo
        else (list(_read_paths(paths or [], namespace)), ())
    )
    loaded = combine(readings, _known(config))
    problems = (*refused, *loaded.problems)
    _show(output, problems, loaded)
    errors = sum(problem.severity == "error" for problem in problems)
    return NEGATIVE if errors or (strict and problems) else OK


def _read_paths(paths: Iterable[Path], namespace: str) -> Iterator["FileReading"]:
    from schemas.bounds import MAX_FILE_BYTES
    from schemas.errors import InputError
    from schemas.load import read_file

    for file in _files(paths):
        try:
            with file.open("rb") as opened:
                data = opened.read(MAX_FILE_BYTES + 1)  # one more, so that it is refused by its size
        except OSError as error:
            raise InputError("FileNotReadable", f"{file}: {error.strerror}") from error
        yield read_file(str(file), data, namespace)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """Files as named; of folders every manifest below, links and hidden folders left out. Sorted."""
    import os

    from reconciler.source.git import SUFFIXES

    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found = (Path(folder) / name for name in sorted(names) if name.endswith(SUFFIXES))
            yield from (file for file in found if not file.is_symlink())


def _read_repository(
    repository: str, revision: str, path: str, namespace: str
) -> tuple[list["FileReading"], tuple["Problem", ...]]:
    from tempfile import TemporaryDirectory

    from reconciler.source.git import GitSource
    from schemas.load import read_file

    with TemporaryDirectory(prefix="moorage-") as mirror:
        source = GitSource(repository, revision, path, Path(mirror))
        source.fetch()
        snapshot = source.snapshot()
        readings = [
            read_file(name, source.blob(entry.blob), namespace) for name, entry in snapshot.entries.items()
        ]
    return readings, snapshot.refused


def _known(config: Path | None) -> Sequence["Resource"]:
    """What manifests may refer to without declaring it: the configuration's servers."""
    if config is None:
        return ()
    from reconciler.config_file import load_config

    return load_config(config).servers


def _show(output: Format, problems: tuple["Problem", ...], loaded: "Loaded") -> None:
    from reconciler.cli import problems as shown

    match output:
        case Format.table:
            shown.as_table(problems, loaded)
        case Format.json:
            shown.as_json(problems, loaded)
        case Format.github:
            shown.as_github(problems)
