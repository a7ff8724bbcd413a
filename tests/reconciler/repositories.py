"""Real Git repositories for tests: made with plumbing, so that hostile trees can be made too."""

import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pygit2
from pygit2.enums import FileMode

AUTHOR = pygit2.Signature("Ada", "ada@example.org", 1_700_000_000, 0)
FILE, EXECUTABLE, LINK, SUBMODULE = (
    int(FileMode.BLOB),
    int(FileMode.BLOB_EXECUTABLE),
    int(FileMode.LINK),
    int(FileMode.COMMIT),
)

Content = str | bytes | tuple[int, str | bytes]
"""What a path holds; with a mode where it is no plain file. A submodule's content is its commit id."""


def git(*words: str, at: Path, give: bytes | None = None) -> str:
    """Run git, without anybody's configuration."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(at),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": "ada@example.org"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    done = subprocess.run(
        ["git", *words], cwd=at, env=environment, input=give, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


class Repository:
    """A bare repository (or one with a work tree) that commits whole trees, without one."""

    def __init__(self, folder: Path, *, bare: bool = True) -> None:
        self.folder = folder
        self.git = pygit2.init_repository(str(folder), bare=bare, initial_head="main")

    def commit(
        self, files: Mapping[str | bytes, Content], branch: str = "main", message: str = "Change"
    ) -> str:
        """Make ``files`` the content of ``branch``; the new commit's id."""
        name = f"refs/heads/{branch}"
        parents = [self.git.references[name].target] if name in self.git.references else []
        tree = self._tree({_raw(path): content for path, content in files.items()})
        return str(self.git.create_commit(name, AUTHOR, AUTHOR, message, pygit2.Oid(hex=tree), parents))

    def raw_commit(self, author: bytes, rest: bytes, branch: str = "main") -> None:
        """A commit of the branch's tree, its author and all that follows byte by byte."""
        tree = git("rev-parse", f"{branch}^{{tree}}", at=self.folder).encode()
        head = b"tree %s\nauthor %s 1700000000 +0000\ncommitter Ada <a> 1700000000 +0000\n" % (tree, author)
        made = git(
            "hash-object", "-t", "commit", "-w", "--stdin", "--literally", at=self.folder, give=head + rest
        )
        git("update-ref", f"refs/heads/{branch}", made, at=self.folder)

    def _tree(self, files: Mapping[bytes, Content]) -> str:
        """git mktree: it takes any name that an index would refuse."""
        lines, folders = [], {}
        for path, content in files.items():
            head, slash, rest = path.partition(b"/")
            if slash:
                folders.setdefault(head, {})[rest] = content
            else:
                mode, body = content if isinstance(content, tuple) else (FILE, content)
                lines.append(_line(mode, self._object(mode, body), head))
        lines.extend(_line(stat.S_IFDIR, self._tree(inner), name) for name, inner in folders.items())
        return git("mktree", "-z", "--missing", at=self.folder, give=b"".join(lines))

    def _object(self, mode: int, body: str | bytes) -> str:
        if mode == SUBMODULE:
            return _raw(body).decode()
        return str(self.git.create_blob(_raw(body)))


def model(name: str, uri: str = "gs://m", more: str = "") -> str:
    """A Model's manifest."""
    head = f"apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\nmetadata: {{name: {name}}}\n"
    return f"{head}spec: {{storageUri: {uri}, requirements: [sklearn]{more}}}\n"


def server(name: str = "mlserver", replicas: int = 1) -> str:
    """A Server's manifest."""
    head = f"apiVersion: mlops.seldon.io/v1alpha1\nkind: Server\nmetadata: {{name: {name}}}\n"
    return f"{head}spec: {{serverConfig: mlserver, replicas: {replicas}}}\n"


def bomb(folder: Path, width: int, depth: int) -> str:
    """A tree that holds one tree many times over, and so on: some kilobytes, ``width ** depth`` files."""
    blob = git("hash-object", "-w", "--stdin", at=folder, give=b"x")
    tree = git("mktree", at=folder, give=f"100644 blob {blob}\tn.yaml\n".encode())
    for _ in range(depth):
        lines = "".join(f"040000 tree {tree}\td{n}\n" for n in range(width))
        tree = git("mktree", at=folder, give=lines.encode())
    return tree


def _raw(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _line(mode: int, name: str, path: bytes) -> bytes:
    kind = {stat.S_IFDIR: "tree", SUBMODULE: "commit"}.get(mode, "blob")
    return f"{mode:06o} {kind} {name}\t".encode() + path + b"\0"
