"""Effective replica counts of models and servers, and what is wrong with them.

Source: the reference's operator (``internal/utils.go``): replicas default to 1, or to min where
min > 0; min defaults to 0; an absent or non-positive max is unlimited; negative replicas alone mean 1.
"""

from dataclasses import dataclass

UNLIMITED = 4294967295


@dataclass(frozen=True)
class Scaling:
    """Effective counts. ``max_replicas`` is :data:`UNLIMITED` where none is set."""

    replicas: int
    min_replicas: int
    max_replicas: int


def effective_scaling(replicas: int | None, minimum: int | None, maximum: int | None) -> Scaling:
    """Defaults filled in; never judges (see :func:`scaling_fault`)."""
    low = max(minimum or 0, 0)
    high = maximum if maximum is not None and maximum > 0 else UNLIMITED
    if replicas is None:
        count = low if low > 0 else 1
    elif replicas < 0 and low == 0:
        count = 1
    else:
        count = replicas
    return Scaling(count, low, high)


def scaling_fault(replicas: int | None, minimum: int | None, maximum: int | None) -> str | None:
    """The rule that the three counts break, or None. Words follow the reference's messages."""
    scaling = effective_scaling(replicas, minimum, maximum)
    if scaling.replicas < 0:
        return f"number of replicas {scaling.replicas} cannot be less than minimum replica {scaling.min_replicas}"
    if scaling.min_replicas > scaling.max_replicas:
        return f"min number of replicas {scaling.min_replicas} must be <= max number of replicas {scaling.max_replicas}"
    if scaling.replicas < scaling.min_replicas:
        return f"number of replicas {scaling.replicas} must be >= min replicas {scaling.min_replicas}"
    if scaling.replicas > scaling.max_replicas:
        return f"number of replicas {scaling.replicas} must be <= max replicas {scaling.max_replicas}"
    return None
