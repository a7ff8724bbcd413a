"""What may be thrown at the borders: for each border inputs, and what has to hold for every one of them.

Every target takes one input and returns without a word. The only way out beside that is an error of ours
(:class:`~schemas.errors.MoorageError`), which the target takes; anything else is a finding.
"""

import base64
import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pygit2
from hypothesis import strategies as st

from reconciler.config_file import load_config
from reconciler.inventory.reading import read_inventory
from reconciler.source.git import GitSource
from reconciler.source.readings import Readings
from reconciler.source.signed import SSH, signed_commit, signed_tag
from reconciler.source.sshsig import allowed_signers, ssh_signer
from reconciler.source.webhooks.delivery import Delivery, Secret
from reconciler.source.webhooks.payloads import parse
from reconciler.source.webhooks.signatures import verify
from schemas.errors import MoorageError
from schemas.load import combine, read_file

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Target:
    """A border: ``inputs`` of it, and ``check``, which ends in AssertionError or anything unforeseen."""

    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], None]


def mutated(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes near ``seeds``: parts of them cut out, repeated, and replaced by others or by nonsense."""
    pieces = st.one_of(st.binary(max_size=12), st.sampled_from(_TRICKS), st.sampled_from(seeds))

    @st.composite
    def near(draw: st.DrawFn) -> bytes:
        data = draw(st.sampled_from(seeds))
        for _ in range(draw(st.integers(0, 4))):
            start = draw(st.integers(0, len(data)))
            end = draw(st.integers(start, min(len(data), start + 40)))
            data = data[:start] + draw(pieces) * draw(st.sampled_from((0, 1, 1, 3, 200))) + data[end:]
        return data[:200_000]

    return st.one_of(st.binary(max_size=400), near())


_TRICKS = (
    b"&a ", b"*a", b"<<: *a\n", b"!!python/object:os.system ", b"!!binary ", b"!!set ", b"[", b"{", b"- ", b"? ", b"\t",
    b"---\n", b"...\n", b"%YAML 9.9\n", b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"\x1b[2J", b"\xe2\x80\xae", b"0x", b"1e999",
    b".nan", b"12:30:45", b"\"\\ud800\"", b"null", b"-" * 70, b"name: x\n", b"\r", b"\n\n", b": ", b"#", b"valid-after=\"1\" ",
)  # fmt: skip


@cache
def _manifests() -> tuple[bytes, ...]:
    folder = ROOT / "gitops-example"
    return tuple(file.read_bytes() for file in sorted(folder.rglob("*.yaml")))


def read_manifest(data: bytes) -> None:
    """Any bytes are a reading, whose problems can be shown."""
    for name in ("a.yaml", "a.json"):
        loaded = combine([read_file(name, data, "default")])
        for problem in loaded.problems:
            assert problem.line >= 0
            json.dumps([problem.code, problem.message, problem.path]).encode()
        for resource in loaded.resources:
            assert len(resource.digest) == 64


_EVENTS = (
    ("github", "push"), ("gitea", "push"), ("gogs", "push"), ("gitlab", "Push Hook"), ("gitlab", "Tag Push Hook"),
    ("bitbucket", "repo:push"), ("bitbucket", "repo:refs_changed"), ("generic", "push"), ("generic", ""),
)  # fmt: skip
_FIELDS = (
    "ref", "repository", "project", "push", "changes", "new", "old", "links", "clone", "href", "name", "type",
    "clone_url", "ssh_url", "html_url", "git_http_url", "full_name", "default_branch", "deleted", "after", "refs",
)  # fmt: skip
_payloads = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_FIELDS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)
_bodies = _payloads.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200)
_HEADERS = (
    "x-hub-signature-256", "x-gitea-signature", "x-gitlab-token", "x-hub-signature", "x-moorage-signature",
    "x-moorage-timestamp", "x-github-event", "x-gitlab-event", "x-gitea-event", "x-event-key", "x-gogs-signature",
)  # fmt: skip


def take_delivery(given: tuple[tuple[str, str], bytes, dict[str, str]]) -> None:
    """Whatever is sent without the secret is nobody's; whatever is signed is a hint, none, or refused."""
    (provider, event), body, headers = given
    with suppress(MoorageError):
        parse(Delivery(provider, event, body, frozenset()))
    try:
        verify(headers, body, [Secret(b"a secret that nobody guesses", frozenset({"a"}))], 1_800_000_000.0)
    except MoorageError:
        return
    raise AssertionError("a forged delivery was believed")


_NAMES = st.sampled_from(
    (b"a.yaml", b"..", b".", b".git", b"", b"a/b", b"\xff.yaml", b"\x1b.yaml", b"d", b"l.yml")
)
_MODES = st.sampled_from(
    (b"100644", b"100755", b"120000", b"160000", b"40000", b"040000", b"0", b"777777", b"x")
)
_entries = st.lists(st.tuples(_MODES, _NAMES | st.binary(max_size=8), st.integers(0, 7)), max_size=6)


def read_tree(given: list[list[tuple[bytes, bytes, int]]]) -> None:
    """Any tree objects are resources and problems, or an error of ours; nothing outside is opened."""
    with tempfile.TemporaryDirectory() as folder:
        repository = pygit2.init_repository(folder, bare=True)
        known = [repository.create_blob(data) for data in (b"a: 1\n", b"/etc/passwd", _manifests()[0])]
        known += [pygit2.Oid(hex="0" * 39 + "1")]
        for entries in given:
            raw = b"".join(
                mode + b" " + name.replace(b"\0", b"") + b"\0" + known[number % len(known)].raw
                for mode, name, number in entries
            )
            known.append(repository.odb.write(pygit2.enums.ObjectType.TREE, raw))
        who = b"a <a@b> 1 +0000\n"
        commit = b"tree " + str(known[-1]).encode() + b"\nauthor " + who + b"committer " + who + b"\nm\n"
        made = repository.odb.write(pygit2.enums.ObjectType.COMMIT, commit)
        (Path(folder) / "refs/heads/main").write_text(f"{made}\n")
        source = GitSource(folder, "main", "", Path(folder) / "mirror")
        with suppress(MoorageError):
            seen = source.snapshot()
            assert all(text.isprintable() for text in seen.entries)
            Readings("a", "default").desired(seen, source.blob)


def read_inventory_file(data: bytes) -> None:
    """Any bytes are an inventory or an error of ours."""
    with suppress(MoorageError):
        read_inventory(data, "inventory.json")


def read_configuration(data: bytes) -> None:
    """Any bytes are a configuration or an error of ours."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "moorage.yaml"
        file.write_bytes(data)
        with suppress(MoorageError):
            load_config(file)


_KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKiS0hYvOpTHTpy6wO0jUaLzvn5TzNfZ7Sfr1oBP4n1a"
_SIGNERS = (b"ada@example.com " + _KEY, b'ada valid-after="20240101",namespaces="git" ' + _KEY + b" x\n")
_FRAME = b"SSHSIG\0\0\0\1" + b"".join(
    len(part).to_bytes(4, "big") + part
    for part in (base64.b64decode(_KEY.split()[1]), b"git", b"", b"sha512", b"\0\0\0\x0bssh-ed25519\0\0\0\x40" + b"s" * 64)
)  # fmt: skip


def _commit(frame: bytes) -> bytes:
    armor = SSH + b"\n " + base64.b64encode(frame) + b"\n -----END SSH SIGNATURE-----\n"
    who = b"a <a@b> 1700000000 +0000\n"
    return b"tree 0\nauthor " + who + b"committer " + who + b"gpgsig " + armor + b"\nmessage\n"


def read_signature(given: tuple[bytes, bytes]) -> None:
    """No object is believed that was not signed by a key that is allowed."""
    raw, text = given
    allowed = ()
    with suppress(MoorageError):
        allowed = allowed_signers(text.decode("utf-8", "replace"))
    for take in (signed_commit, signed_tag):
        try:
            ssh_signer(take(raw), allowed)
        except MoorageError:
            continue
        raise AssertionError("a forged signature was believed")


TARGETS = {
    "manifests": Target(mutated(_manifests()), read_manifest),
    "webhooks": Target(
        st.tuples(
            st.sampled_from(_EVENTS),
            _bodies,
            st.dictionaries(st.sampled_from(_HEADERS), st.text(max_size=80), max_size=4),
        ),
        take_delivery,
    ),
    "trees": Target(st.lists(_entries, min_size=1, max_size=4), read_tree),
    "inventories": Target(
        mutated([(ROOT / "docs/inventory.example.json").read_bytes()]), read_inventory_file
    ),
    "configurations": Target(
        mutated([(ROOT / "gitops-example/moorage.yaml").read_bytes()]), read_configuration
    ),
    "signatures": Target(
        st.tuples(
            st.one_of(mutated([_FRAME]).map(_commit), mutated([_commit(_FRAME)])), mutated(list(_SIGNERS))
        ),
        read_signature,
    ),
}
