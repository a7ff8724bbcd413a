"""The fields whose inside Kubernetes or Kafka owns, and the two habits that end at their border.

Outside of them a null counts as absent, as the Kubernetes API prunes it. Inside, a null is kept, and
a number with a fraction becomes its decimal text, which quantities and Kafka settings take as well:
canonical JSON has no floats.
"""

from typing import Any

# All of them stand directly below spec.
OPEN_FIELDS = frozenset(
    {
        "components",
        "config",
        "deploymentStrategy",
        "imageOverrides",
        "overrides",
        "podSpec",
        "statefulSetPersistentVolumeClaimRetentionPolicy",
        "volumeClaimTemplates",
    }
)


def without_nulls(value: Any) -> Any:
    """``value`` without the object fields that hold null, at any depth; list items stay."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def settled_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """``spec`` without nulls outside its open objects."""
    return {
        name: value if name in OPEN_FIELDS else without_nulls(value)
        for name, value in spec.items()
        if value is not None
    }


def without_floats(value: Any) -> Any:
    """``value`` with every float written as text, at any depth."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {name: without_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_floats(item) for item in value]
    return value
