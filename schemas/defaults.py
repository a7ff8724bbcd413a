"""The ServerConfigs that exist without anybody declaring them, as an installation of the reference
brings them: ``mlserver`` and ``triton``."""

from functools import cache
from importlib import resources

from schemas.reading import read_file
from schemas.resource import Resource

_NAMES = ("mlserver", "triton")


@cache
def default_server_configs(namespace: str) -> tuple[Resource, ...]:
    """Both, in ``namespace``, sorted by name."""
    folder = resources.files("schemas") / "defaults"
    return tuple(
        resource
        for name in _NAMES
        for resource in read_file(
            f"defaults/{name}.yaml", (folder / f"{name}.yaml").read_bytes(), namespace, "configuration"
        ).resources
    )
