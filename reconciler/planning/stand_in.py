"""Servers that are only supposed, or only described: a Server and its ServerConfig made of a few numbers.

A question such as "and with two more replicas of 4Gi?" and an inventory written by hand name sizes, no
pod specs. What they mean goes the way of every server: a template, replicas, a plan. A stand-in has a
ServerConfig of its own, which can run whatever it is said to offer. It is never applied anywhere.
"""

from dataclasses import dataclass

from runtime.capabilities import RUNTIME_TAGS
from runtime.state import AppliedResource, EnvironmentFacts
from schemas.placement_annotations import RESOURCES_ANNOTATION, Resources
from schemas.resource import Origin, Resource, key
from schemas.specs import ServerConfigSpec, ServerSpec
from schemas.template import DEFAULT_OVERCOMMIT_PERCENT, ServerTemplate, server_template


@dataclass(frozen=True)
class ServerSize:
    """What each replica of a server offers; memory in bytes, resources in thousandths. A model is
    loaded ``instances`` times on a replica."""

    replicas: int
    memory: int
    capabilities: tuple[str, ...] = ()
    overcommit_percent: int = DEFAULT_OVERCOMMIT_PERCENT
    resources: Resources = ()
    instances: int = 1


@dataclass(frozen=True)
class StandIn:
    """A server as it would be applied, what its replicas start from, and that they can run."""

    server: Resource
    config: Resource
    template: ServerTemplate
    facts: EnvironmentFacts

    def applied(self, owner: str) -> tuple[AppliedResource, AppliedResource]:
        """Both resources as ``owner`` would have applied them."""
        return AppliedResource(self.server, owner), AppliedResource(self.config, owner)


def stand_in(namespace: str, name: str, size: ServerSize) -> StandIn:
    """The server ``name`` of that size."""
    config = f"{name}.{namespace}.stand-in"  # environments know ServerConfigs by name, in all namespaces
    server_spec = ServerSpec(config, capabilities=size.capabilities, replicas=size.replicas)
    config_spec = _config_spec(size)
    said = ",".join(f"{each}={amount}m" for each, amount in size.resources)
    annotations = {RESOURCES_ANNOTATION: said} if said else {}
    runtimes = tuple(sorted(RUNTIME_TAGS.intersection(size.capabilities)))
    return StandIn(
        Resource(key("Server", namespace, name), server_spec, Origin("manual"), annotations=annotations),
        Resource(key("ServerConfig", namespace, config), config_spec, Origin("manual")),
        server_template(server_spec, config_spec),
        EnvironmentFacts(config, runnable=True, runtimes=runtimes),
    )


def _config_spec(size: ServerSize) -> ServerConfigSpec:
    inference = {
        "name": "server",
        "env": [{"name": "MLSERVER_PARALLEL_WORKERS", "value": str(size.instances)}],
        "resources": {"requests": {"memory": str(size.memory)}},
    }
    agent = {
        "name": "agent",
        "env": [{"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": str(size.overcommit_percent)}],
    }
    return ServerConfigSpec({"containers": [inference, agent]})
