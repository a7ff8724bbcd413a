"""What a Server offers once its ServerConfig and its own overrides are merged.

The reference merges ``podSpec`` containers by name, the Server's over the ServerConfig's, and reads
capabilities and overcommit from the ``agent`` container's environment and capacity from the memory
request of the inference container (``MEMORY_REQUEST``). ``capabilities`` replaces the list,
``extraCapabilities`` appends; where both are set ``capabilities`` wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ServerTemplate:
    """One server as the runtime and the planner need it. ``memory`` is the capacity in bytes per
    replica; ``environment`` the inference container's plain environment; ``capabilities`` sorted."""

    server_config: str
    server_type: str
    capabilities: tuple[str, ...]
    memory: int
    overcommit_percent: int
    environment: Mapping[str, str]
