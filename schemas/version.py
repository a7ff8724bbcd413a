"""What makes two specs of a model the same version.

Source: the reference counts a new version for any difference of the spec except replica counts.
``dataflow`` says what happens to topics on deletion and changes nothing that is loaded, so it is
left out as well.
"""

from dataclasses import replace

from schemas import codec
from schemas.specs import Dataflow, ModelSpec


def version_digest(spec: ModelSpec) -> str:
    """SHA-256 in hex of what has to be loaded.

    Fields that hold their default do not count, so a field that a later release adds changes no
    version by itself.
    """
    loaded = replace(spec, replicas=None, min_replicas=None, max_replicas=None, dataflow=Dataflow())
    return codec.digest(codec.encode_terse(loaded))
