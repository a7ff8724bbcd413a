"""Rules of a Server and a ServerConfig by themselves."""

from collections.abc import Iterator

from schemas.errors import InputError
from schemas.finding import Finding
from schemas.semantics.replicas import replica_findings
from schemas.specs import ServerConfigSpec, ServerSpec
from schemas.template import server_template


def server_findings(spec: ServerSpec) -> Iterator[Finding]:
    """Replica counts, and capabilities that would be ignored."""
    yield from replica_findings(spec)
    if spec.capabilities and spec.extra_capabilities:
        message = "extraCapabilities has no effect beside capabilities"
        hint = "capabilities replaces the whole list; name everything there or remove it"
        yield Finding("UnusedCapabilities", ("spec", "extraCapabilities"), message, hint, at_key=True)


def server_config_findings(spec: ServerConfigSpec) -> Iterator[Finding]:
    """Whether memory and overcommit of the template can be read."""
    try:
        server_template(ServerSpec(server_config=""), spec)
    except InputError as error:
        yield Finding("InvalidServerTemplate", ("spec", "podSpec"), error.message, error.hint, at_key=True)
