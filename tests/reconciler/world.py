"""Words for the reconciler's tests: resources in one line each, and a world that is brought to rest."""

from collections.abc import Iterable
from typing import Any

from reconciler.control.sync_policy import PrunePolicy
from reconciler.desired import Desired
from reconciler.planning.guards import ChangePolicy
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Policy, plan
from reconciler.sync import SyncResult, execute
from runtime.ports import Runtime
from runtime.state import LiveState
from schemas.decode import decode_spec
from schemas.defaults import default_server_configs
from schemas.resource import Origin, Resource, key
from schemas.specs import ServerConfigSpec

POLICY = Policy(
    changes=ChangePolicy(PrunePolicy(most_percent=100)),
    server_configs={
        r.key.name: r.spec for r in default_server_configs("default") if isinstance(r.spec, ServerConfigSpec)
    },
)


def resource(kind: str, name: str, namespace: str = "default", /, **spec: Any) -> Resource:
    """A resource as the loader would make it; spec fields in the manifest's own spelling."""
    annotations = spec.pop("annotations", {})
    origin = Origin("git", f"{kind.lower()}s/{name}.yaml", 1, 1)
    return Resource(key(kind, namespace, name), decode_spec(kind, spec), origin, annotations=annotations)


def model(name: str, namespace: str = "default", /, **spec: Any) -> Resource:
    """A sklearn Model."""
    spec = {"storageUri": f"gs://models/{name}", "requirements": ["sklearn"], **spec}
    return resource("Model", name, namespace, **spec)


def server(
    name: str = "mlserver", namespace: str = "default", /, memory: str = "1G", workers: int = 1, **spec: Any
) -> Resource:
    """An MLServer Server whose replicas have ``memory`` each and no overcommit."""
    workers_env = [{"name": "MLSERVER_PARALLEL_WORKERS", "value": str(workers)}]
    containers = [
        {"name": "mlserver", "resources": {"requests": {"memory": memory}}, "env": workers_env},
        {"name": "agent", "env": [{"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": "0"}]},
    ]
    spec = {"serverConfig": "mlserver", "podSpec": {"containers": containers}, **spec}
    return resource("Server", name, namespace, **spec)


def experiment(name: str, weights: dict[str, int], /, **spec: Any) -> Resource:
    """An Experiment on models."""
    candidates = [{"name": candidate, "weight": weight} for candidate, weight in weights.items()]
    return resource("Experiment", name, candidates=candidates, **spec)


def desired(*resources: Resource, revision: str = "r1", application: str = "app", **facts: Any) -> Desired:
    """What Git wants; the tree's digest stands for its content."""
    ordered = tuple(sorted(resources, key=lambda r: r.key))
    tree = "+".join(r.digest for r in ordered)
    return Desired(application, "default", revision, tree, ordered, **facts)


async def sync(wanted: Desired, runtime: Runtime, policy: Policy = POLICY) -> SyncResult:
    """One plan, executed."""
    return await execute(plan(wanted, await runtime.observe(), policy), runtime, lambda _: None)


async def settle(wanted: Desired, runtime: Runtime, policy: Policy = POLICY) -> list[Plan]:
    """Plan and execute until a plan is empty or fails twice alike; returns the plans executed."""
    done: list[Plan] = []
    while not (todo := plan(wanted, await runtime.observe(), policy)).empty:
        if done and done[-1].digest == todo.digest:
            return done
        await execute(todo, runtime, lambda _: None)
        done.append(todo)
        assert len(done) < 20, "the world does not come to rest"
    return done


def names(resources: Iterable[Resource]) -> list[str]:
    """The keys as text."""
    return [str(r.key) for r in resources]


def live_models(live: LiveState) -> list[str]:
    """``iris_1 mlserver/0 Loaded``, as the runtime sorts them."""
    return [f"{m.model}_{m.number} {m.replica.server}/{m.replica.index} {m.state}" for m in live.models]


def routed(live: LiveState, name: str) -> list[tuple[str, int]]:
    """Models and weights of a route."""
    return [(w.target.model, w.weight) for r in live.routes if r.name == name for w in r.targets]


def failures(todo: Plan) -> list[tuple[str, str]]:
    """Whom a plan fails, and why."""
    return [(str(f.key), f.reason) for f in todo.failures]
