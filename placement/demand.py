"""What is asked for: one model version, its needs, and how many replicas of it."""

from dataclasses import dataclass

from schemas.placement_annotations import Resources


@dataclass(frozen=True)
class Demand:
    """A model at one version. ``version`` is the digest of its spec without replica counts; ``memory``
    is bytes per instance, ``resources`` further needs per replica; ``server`` pins it; ``explainer``
    models need ``alibi-explain``. Where not all fit, a higher ``priority`` goes first; it never takes the
    place of a served model. ``recreate`` lets the planner unload the old version before it places the
    new one; the engine credits nothing by itself."""

    namespace: str
    model: str
    version: str
    requirements: tuple[str, ...] = ()
    memory: int = 0
    replicas: int = 1
    min_replicas: int = 0
    server: str | None = None
    explainer: bool = False
    priority: int = 0
    resources: Resources = ()
    recreate: bool = False
