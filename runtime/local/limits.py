"""How long the one-machine runtime waits, how often it tries, how much it does at once.

Values only; each says its unit, its default and where the default comes from.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LocalLimits:
    """Durations are in seconds. "Reference" is Seldon Core 2's agent with its Helm defaults."""

    load_retries: int = 5
    """Further tries after a failed load. Reference: ``maxLoadRetryCount``."""
    load_elapsed: float = 7200.0
    """Bound over all tries of one load. Reference: ``maxLoadElapsedTimeMinutes`` 120."""
    load_call: float = 1800.0
    """Bound of one try; a server that hangs must not use up the whole elapsed time."""
    load_backoff: float = 1.0
    """Pause before the first retry, doubled each time."""
    load_backoff_max: float = 30.0
    """Longest pause between two tries."""
    loads_at_once: int = 4
    """Loads under way at once per server replica; one at a time after a load ended a server."""
    unload_grace: float = 2.0
    """From the moment no route leads to a model until it is unloaded. Reference:
    ``unloadGracePeriodSeconds``."""
    unload_retries: int = 5
    """Further tries after a failed unload. Reference: ``maxUnloadRetryCount``."""
    unload_elapsed: float = 900.0
    """Bound over all tries of one unload. Reference: ``maxUnloadElapsedTimeMinutes`` 15."""
    start_tries: int = 3
    """Tries (each on fresh ports) before a server replica that never ran counts as Lost."""
    start_call: float = 120.0
    """Bound from spawn to the first good liveness answer of a server."""
    poll: float = 0.05
    """Pause between two liveness or readiness questions."""
    restart_backoff: float = 1.0
    """Pause before a process that ended is started again, doubled each time."""
    restart_backoff_max: float = 30.0
    """Longest pause before a restart."""
    stable: float = 60.0
    """A process that ran this long starts its backoff anew."""
    restarting: float = 60.0
    """From the last Ready until a replica that does not come back is Lost (design decision 5)."""
    end_grace: float = 10.0
    """From SIGTERM to SIGKILL."""
    recheck: float = 60.0
    """Unit of the pauses after which the artifact of a failed load is looked at again: 1, 2, 4, …
    up to 32 of them."""
    log_bytes: int = 64 * 1024 * 1024
    """A log file that grows beyond this is set aside as ``.1``."""
