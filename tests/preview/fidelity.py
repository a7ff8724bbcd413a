"""Random repositories, inventories and pull requests under the production controller: what a preview showed
against what servers and routes report after the merge.

A story is told by its seed: ``tell("soak/17")`` tells it again. Every pull request is merged by real Git, as a
merge, a squash or a rebase, onto a base that may have moved on since the branch was made. What is compared is what
the runtime reports; the planner is not asked a second time. In few stories something happens between preview and
merge, and then the sync's record has to name what changed.
"""

import asyncio
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pygit2
import yaml

from placement.inventory import ReplicaId
from placement.policy import Policy as PlacementPolicy
from reconciler.config import ApplicationConfig
from reconciler.control.approval import Previewed
from reconciler.control.intent_store import IntentStore
from reconciler.control.loop import Controller
from reconciler.control.requests import SyncRequest
from reconciler.control.sync_policy import PrunePolicy, SyncPolicy
from reconciler.history import History
from reconciler.preview.making import made_of
from reconciler.preview.preview import ApplicationPreview, Preview
from reconciler.preview.reading import Reader
from reconciler.source.application import GitApplication
from runtime.routes import Route
from runtime.state import LiveState
from schemas.errors import InputError
from tests.fakes.simulated import SimulatedRuntime
from tests.preview.stories import TIMEOUTS
from tests.reconciler.repositories import Repository, git
from tests.reconciler.world import POLICY

PULLS = 6
"""Pull requests of one story, one after the other."""
HAPPENS = 0.03
"""Share of pull requests between whose preview and merge something happens."""
PATIENCE = 15.0
MODELS = ("a", "b", "c", "d", "e", "f")
SERVERS = ("s1", "s2", "s3")
MEMORY = ("100M", "200M", "400M", "500M", "600M", "900M")
PRUNE = PrunePolicy(most_percent=100, allow_empty=True)
BLOCKED = "not synced after the merge"
"""How the preview says that nothing of an application's plan is executed."""
PLACEMENT = (POLICY.placement, PlacementPolicy("pack", 50, 0), PlacementPolicy("pack", 50, 2))

Files = dict[str, str]
Reported = tuple[dict[ReplicaId, frozenset[tuple[str, str, str]]], dict[tuple[str, str], Route]]
"""What stands on each server replica, as (namespace, model, version), and the routes."""


@dataclass
class Told:
    """What came of a story: ``equal`` merges did what was shown, ``changed`` had something happen first and came
    out differently, by named facts. ``reached`` counts what the pull requests were like."""

    equal: int = 0
    changed: int = 0
    reached: Counter[str] = field(default_factory=Counter)


def tell(seed: str) -> Told:
    """Tell one story. AssertionError where a merge did something else than was shown, without a named fact."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_Story(seed, Path(folder)).tell())


class _Shown:
    """What was shown, for the controller's records."""

    def __init__(self) -> None:
        self.plans: list[Previewed] = []

    def previewed(self, application: str) -> Sequence[Previewed]:
        return [each for each in self.plans if each.application == application]


class _Story:
    def __init__(self, seed: str, folder: Path) -> None:
        self._random = Random(seed)
        self._seed = seed
        self._folder = folder
        self._told = Told()
        self._runtime = SimulatedRuntime()
        self._repository = Repository(folder / "repository.git")
        two = self._random.random() < 0.4
        self._paths = {"alpha": "a", "beta": "b"} if two else {"alpha": ""}
        self._files: Files = {}
        self._shown = _Shown()

    async def tell(self) -> Told:
        for application in self._paths:
            self._files[self._path(application, "README.md")] = "Keeps the folder.\n"
            for _ in range(self._random.randint(2, 6)):
                self._mutate(self._files, application)
        self._commit(self._files)
        self._open()
        running = asyncio.create_task(self._controller.run())
        try:
            await self._settled()
            for number in range(1, PULLS + 1):
                await self._pull_request(number)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self._history.close()
            self._intents.close()
        return self._told

    def _open(self) -> None:
        """Alpha's servers are there before beta is synced."""
        configs = []
        for name, path in self._paths.items():
            sync = SyncPolicy(prune=PRUNE, depends_on=("alpha",) if name == "beta" else ())
            configs.append(
                ApplicationConfig(name, str(self._repository.folder), "main", path, interval=3600, sync=sync)
            )
        self._history = History(self._folder / "history")
        self._intents = IntentStore(self._folder / "intents")
        policy = replace(POLICY, placement=self._random.choice(PLACEMENT))
        sources = [GitApplication(each, self._folder) for each in configs]
        self._controller = Controller(
            sources, self._runtime, policy, self._history, self._intents, (), self._shown
        )
        self._reader = Reader(configs)

    # Pull requests.

    async def _pull_request(self, number: int) -> None:
        head = dict(self._files)
        for application in self._random.sample(
            sorted(self._paths), self._random.randint(1, len(self._paths))
        ):
            for _ in range(self._random.randint(1, 3)):
                self._mutate(head, application)
        self._branch(head, f"change-{number}")
        if self._random.random() < 0.3:  # the base goes on before anybody previews
            await self._push_to_base()
        try:
            made = await self._preview(f"change-{number}")
        except InputError as error:
            if error.reason != "MergeConflict":
                raise
            self._told.reached["conflict"] += 1
            return
        self._told.reached[made.verdict] += 1
        before = await self._runtime.observe()
        expected = _expected(made, before)
        facts = await self._happen(before) if self._random.random() < HAPPENS else ()
        self._show(made, number)
        syncs = {name: self._last_id(name) for name in self._paths}
        if not self._merge(f"change-{number}", self._random.choice(("merge", "squash", "rebase"))):
            self._told.reached["conflict"] += 1
            return
        await self._settled()
        await self._sync_by_hand(made)
        self._judge(made, expected, await self._runtime.observe(), syncs, facts)

    async def _preview(self, branch: str) -> Preview:
        folder = self._repository.folder
        found = self._reader.read(folder, "main", branch, merge=True)
        terms = {name: self._controller.terms(name) for name in self._paths}
        return made_of(found, found.head, await self._controller.live(), terms, TIMEOUTS)

    def _show(self, made: Preview, number: int) -> None:
        at = datetime.now(UTC)
        self._shown.plans += [
            Previewed(each.application, each.basis["tree"], each.plan, each.basis, f"r#{number}", "", at)
            for each in made.applications
        ]

    async def _sync_by_hand(self, made: Preview) -> None:
        """What a closed gate keeps from being synced by itself, which the preview says, a person syncs."""
        for each in made.applications:
            gated = self._controller.followed(each.application).gate.reason in _reasons(each)
            if gated and not any(note.message.startswith(BLOCKED) for note in each.notes):
                await self._controller.sync(each.application, SyncRequest("story"))
        await self._settled()

    def _judge(
        self,
        made: Preview,
        expected: Reported,
        live: LiveState,
        syncs: dict[str, int],
        facts: Sequence[str],
    ) -> None:
        if _reported(live) == expected:
            self._told.equal += 1
            if not facts:
                self._judge_records(made, syncs)
            return
        assert facts, f"{self._seed}: {made.verdict}: {_difference(expected, _reported(live))}"
        self._told.changed += 1

    def _judge_records(self, made: Preview, syncs: dict[str, int]) -> None:
        """Each sync of the merge executed the very plan that was shown, and its record says so."""
        for each in made.applications:
            first = [r for r in self._history.syncs(each.application) if r.id > syncs[each.application]]
            if first:
                record = first[-1]
                found = (record.preview.standing, record.digest)
                assert found == ("Matches", each.plan.digest), f"{self._seed}: {record}"

    # What happens beside.

    async def _push_to_base(self) -> None:
        self._mutate(self._files, "alpha")
        self._commit(self._files)
        await self._settled()

    async def _happen(self, before: LiveState) -> Sequence[str]:
        """A server replica is lost, or somebody pushes to the base; the facts that are others then."""
        self._told.reached["happened"] += 1
        live, main = await self._runtime.observe(), self._main
        if live.servers and self._random.random() < 0.5:
            self._runtime.lose(self._random.choice(live.servers).id)
            await self._settled()
        else:
            await self._push_to_base()
        now = (await self._runtime.observe()).digests
        moved = [name for name, digest in before.digests.items() if now[name] != digest]
        return (*moved, *(["tree"] if self._main != main else []))

    # Git.

    def _commit(self, files: Files) -> None:
        self._repository.commit(dict(files))

    def _branch(self, files: Files, name: str) -> None:
        main = self._repository.git.references["refs/heads/main"].target
        self._repository.git.references.create(f"refs/heads/{name}", main, force=True)
        self._repository.commit(dict(files), name)

    def _merge(self, branch: str, how: str) -> bool:
        """False where the base has moved so that Git finds a conflict."""
        at = self._repository.folder
        try:
            tree = git("merge-tree", "--write-tree", "main", branch, at=at).splitlines()[0]
        except subprocess.CalledProcessError:
            return False
        parents = ["-p", "main", *(["-p", branch] if how == "merge" else [])]
        made = git("commit-tree", tree, *parents, "-m", how, at=at)
        git("update-ref", "refs/heads/main", made, at=at)
        self._files = self._read_files()
        self._told.reached[how] += 1
        return True

    def _read_files(self) -> Files:
        files: Files = {}
        tree = self._repository.git.revparse_single("main").peel(pygit2.Tree)
        waiting = [("", tree)]
        while waiting:
            prefix, folder = waiting.pop()
            for entry in folder:
                path = f"{prefix}{entry.name}"
                if entry.type_str == "tree":
                    waiting.append((f"{path}/", entry))
                else:
                    files[path] = entry.data.decode()
        return files

    # Manifests.

    def _mutate(self, files: Files, application: str) -> None:
        """One change of somebody who works with models."""
        change = self._random.choice((self._model, self._model, self._model, self._server, self._experiment))
        change(files, application)

    def _model(self, files: Files, application: str) -> None:
        name = f"{application[0]}-{self._random.choice(MODELS)}"
        path = self._path(application, f"models/{name}.yaml")
        if path in files and self._random.random() < 0.2:
            del files[path]
            return
        replicas = self._random.choice((1, 1, 1, 2, 3, 0))
        spec = {
            "storageUri": f"gs://{name}/{self._random.randint(1, 3)}",
            "requirements": ["sklearn"],
            "memory": self._random.choice(MEMORY),
            "replicas": replicas,
        }
        if replicas > 1 and self._random.random() < 0.5:
            spec["minReplicas"] = 1
        annotations = {"moorage.dev/update-strategy": "Recreate"} if self._random.random() < 0.2 else {}
        files[path] = _manifest("Model", name, spec, annotations)

    def _server(self, files: Files, application: str) -> None:
        name = f"{application[0]}-{self._random.choice(SERVERS)}"
        path = self._path(application, f"servers/{name}.yaml")
        if path in files and self._random.random() < 0.15:
            del files[path]
            return
        memory = self._random.choice(("500M", "1G", "2G"))
        agent = {"name": "agent", "env": [{"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": "0"}]}
        serving = {"name": "mlserver", "resources": {"requests": {"memory": memory}}}
        replicas = self._random.randint(0, 3)
        spec = {"serverConfig": "mlserver", "replicas": replicas, "podSpec": {"containers": [serving, agent]}}
        files[path] = _manifest("Server", name, spec, {})

    def _experiment(self, files: Files, application: str) -> None:
        prefix = self._path(application, "models/")
        names = sorted(Path(path).stem for path in files if path.startswith(prefix))
        path = self._path(application, "experiments/split.yaml")
        if len(names) < 2 or (path in files and self._random.random() < 0.3):
            files.pop(path, None)
            return
        chosen = self._random.sample(names, 2)
        spec = {
            "default": chosen[0],
            "candidates": [{"name": name, "weight": self._random.randint(1, 9)} for name in chosen],
        }
        files[path] = _manifest("Experiment", f"{application[0]}-split", spec, {})

    def _path(self, application: str, rest: str) -> str:
        return "/".join(filter(None, (self._paths[application], rest)))

    # Waiting.

    async def _settled(self) -> None:
        """Every application was planned at the newest commit and the newest world, and nothing is under way."""
        for name in self._paths:
            self._controller.hint(name)
        async with asyncio.timeout(PATIENCE):
            while not self._is_settled():  # noqa: ASYNC110 (the controller tells nobody that nothing is left)
                await asyncio.sleep(0)

    @property
    def _main(self) -> str:
        return str(self._repository.git.references["refs/heads/main"].target)

    def _is_settled(self) -> bool:
        revision = self._main
        state = self._controller._state  # idle is nothing that people can ask
        if state.busy or self._controller.queued:
            return False
        return all(
            app.looked == app.asked
            and app.revision == revision
            and app.planned == (revision, state.world)
            and self._rests(name)
            for name, app in state.applications.items()
        )

    def _rests(self, name: str) -> bool:
        app = self._controller.followed(name)
        assert app.plan is not None
        return app.plan.empty or not app.gate.auto

    def _last_id(self, name: str) -> int:
        last = self._history.last(name)
        return last.id if last is not None else 0


def _manifest(kind: str, name: str, spec: object, annotations: dict[str, str]) -> str:
    said = {
        "apiVersion": "mlops.seldon.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, **({"annotations": annotations} if annotations else {})},
        "spec": spec,
    }
    return yaml.safe_dump(said, sort_keys=False)


def _reasons(each: ApplicationPreview) -> set[str]:
    return {note.reason for note in each.notes}


def _difference(shown: Reported, reported: Reported) -> str:
    """What only one of the two has."""
    told = []
    for name, one, other in zip(("replica", "route"), shown, reported, strict=True):
        keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
        told += [f"{name} {key}: shown {one.get(key)}, reported {other.get(key)}" for key in keys]
    return "; ".join(told)


def _expected(made: Preview, live: LiveState) -> Reported:
    """What a preview says that servers and routes will report."""
    standing = {
        each.replica: frozenset((m.namespace, m.model, m.version) for m in (*each.comes, *each.stays))
        for each in made.replicas
        if each.after is not None
    }
    routes = dict(live.routed)
    for each in made.applications:
        blocked = any(note.message.startswith(BLOCKED) for note in each.notes)
        for change in () if blocked else each.plan.routes:
            if change.after is None:
                routes.pop((change.namespace, change.name), None)
            else:
                routes[change.namespace, change.name] = change.after
    return standing, routes


def _reported(live: LiveState) -> Reported:
    standing: dict[ReplicaId, set[tuple[str, str, str]]] = {entry.id: set() for entry in live.servers}
    for entry in live.models:
        if entry.state != "LoadFailed":
            standing[entry.replica].add((entry.namespace, entry.model, entry.version))
    return {at: frozenset(models) for at, models in standing.items()}, dict(live.routed)


def total(told: Iterable[Told]) -> Told:
    """Many stories as one."""
    whole = Told()
    for each in told:
        whole.equal += each.equal
        whole.changed += each.changed
        whole.reached += each.reached
    return whole
