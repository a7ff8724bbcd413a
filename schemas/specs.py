"""Typed specs of the seven kinds of ``mlops.seldon.io/v1alpha1``.

Field names and defaults follow the reference's CRDs; what is absent from a manifest holds its
default here, so that two manifests that mean the same compare equal. ``pod_spec`` and volume claims
stay open mappings: Kubernetes owns them. JSON spelling is the codec's camelCase.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from schemas.codec import digest, encode_terse

OpenObject = Mapping[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One ``parameters`` entry of a model."""

    name: str
    value: str


@dataclass(frozen=True)
class Logger:
    """Payload logging share in percent (accepted, unused, as in the reference)."""

    percent: int = 0


@dataclass(frozen=True)
class Explainer:
    """What an explainer model explains: exactly one of the two references."""

    type_: str = ""
    model_ref: str | None = None
    pipeline_ref: str | None = None


@dataclass(frozen=True)
class Llm:
    """The model or pipeline that a prompt model stands in front of."""

    model_ref: str | None = None
    pipeline_ref: str | None = None


@dataclass(frozen=True)
class Dataflow:
    """Kafka behaviour of a model or pipeline."""

    clean_topics_on_delete: bool = False


@dataclass(frozen=True)
class ModelSpec:
    """``Model.spec``. ``memory`` is in bytes; ``replicas`` is what the manifest says, effective counts
    are worked out by :func:`schemas.scaling.effective_scaling`."""

    storage_uri: str
    artifact_version: int | None = None
    model_type: str | None = None
    schema_uri: str | None = None
    secret_name: str | None = None
    requirements: tuple[str, ...] = ()
    memory: int | None = None
    replicas: int | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    server: str | None = None
    preloaded: bool = False
    dedicated: bool = False
    logger: Logger | None = None
    explainer: Explainer | None = None
    llm: Llm | None = None
    parameters: tuple[Parameter, ...] = ()
    dataflow: Dataflow = Dataflow()

    @cached_property
    def version(self) -> str:
        """SHA-256 in hex of what has to be loaded: two specs with the same one are the same version.

        Source: the reference counts a new version for any difference of the spec except replica
        counts. ``dataflow`` says what happens to topics on deletion and changes nothing that is loaded.
        Fields that hold their default do not count, so that a field which a later release adds changes
        no version by itself.
        """
        loaded = replace(self, replicas=None, min_replicas=None, max_replicas=None, dataflow=Dataflow())
        return digest(encode_terse(loaded))


@dataclass(frozen=True)
class ServerSpec:
    """``Server.spec``."""

    server_config: str
    capabilities: tuple[str, ...] = ()
    extra_capabilities: tuple[str, ...] = ()
    image_overrides: OpenObject | None = None
    pod_spec: OpenObject | None = None
    stateful_set_persistent_volume_claim_retention_policy: OpenObject | None = None
    replicas: int | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    deployment_strategy: OpenObject | None = None
    disable_auto_update: bool = False


@dataclass(frozen=True)
class ServerConfigSpec:
    """``ServerConfig.spec``: the template that servers refer to."""

    pod_spec: OpenObject
    volume_claim_templates: tuple[OpenObject, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Rows to collect before a step runs."""

    size: int | None = None
    window_ms: int | None = None
    rolling: bool = False


@dataclass(frozen=True)
class PipelineStep:
    """One step: ``name`` is a Model's name."""

    name: str
    inputs: tuple[str, ...] = ()
    join_window_ms: int | None = None
    tensor_map: Mapping[str, str] = field(default_factory=dict)
    triggers: tuple[str, ...] = ()
    inputs_join_type: str = "inner"
    triggers_join_type: str | None = None
    batch: Batch | None = None


@dataclass(frozen=True)
class PipelineInput:
    """Data that comes from other pipelines."""

    external_inputs: tuple[str, ...] = ()
    external_triggers: tuple[str, ...] = ()
    join_window_ms: int | None = None
    join_type: str = "inner"
    triggers_join_type: str = "inner"
    tensor_map: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PipelineOutput:
    """What a synchronous caller gets."""

    steps: tuple[str, ...] = ()
    join_window_ms: int = 0
    steps_join: str = "inner"
    tensor_map: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PipelineSpec:
    """``Pipeline.spec``."""

    steps: tuple[PipelineStep, ...]
    input_: PipelineInput | None = None
    output: PipelineOutput | None = None
    dataflow: Dataflow = Dataflow()
    allow_cycles: bool = False
    max_step_revisits: int = 0


@dataclass(frozen=True)
class Candidate:
    """A model or pipeline and its weight; its share is weight ÷ sum of weights."""

    name: str
    weight: int


@dataclass(frozen=True)
class Mirror:
    """A model or pipeline that gets a copy of ``percent`` of the traffic; its answers are dropped."""

    name: str
    percent: int


@dataclass(frozen=True)
class ExperimentSpec:
    """``Experiment.spec``."""

    candidates: tuple[Candidate, ...] = ()
    default: str | None = None
    mirror: Mirror | None = None
    resource_type: str = "model"


@dataclass(frozen=True)
class SeldonConfigSpec:
    """``SeldonConfig.spec``: kept as given; used by the Kubernetes runtime."""

    components: tuple[OpenObject, ...] = ()
    config: OpenObject = field(default_factory=dict)


@dataclass(frozen=True)
class SeldonRuntimeSpec:
    """``SeldonRuntime.spec``: kept as given; used by the Kubernetes runtime."""

    seldon_config: str
    overrides: tuple[OpenObject, ...] = ()
    config: OpenObject = field(default_factory=dict)
    disable_auto_update: bool = False


Spec = (
    ModelSpec
    | ServerSpec
    | ServerConfigSpec
    | PipelineSpec
    | ExperimentSpec
    | SeldonConfigSpec
    | SeldonRuntimeSpec
)

SPEC_TYPES: Mapping[str, type] = {
    "Experiment": ExperimentSpec,
    "Model": ModelSpec,
    "Pipeline": PipelineSpec,
    "SeldonConfig": SeldonConfigSpec,
    "SeldonRuntime": SeldonRuntimeSpec,
    "Server": ServerSpec,
    "ServerConfig": ServerConfigSpec,
}
