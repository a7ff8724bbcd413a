"""Which names resources may have.

Source: the reference refuses dots in the names of models and pipelines, because the names become
parts of topics and headers; Kubernetes wants DNS names everywhere, with dots where they are not host
names.
"""

import re
from collections.abc import Iterator

from schemas.finding import Finding, shown
from schemas.resource import ResourceKey

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*")
_WITHOUT_DOTS = frozenset({"Model", "Pipeline", "Server"})
# Kubernetes permits 253; ``<name>_<version>`` has to be a file name of at most 255 bytes as well.
LONGEST_NAME = 240
LONGEST_NAMESPACE = 63

_LABEL_RULE = "lower-case letters, digits and '-', starting and ending with a letter or digit"


def is_label(name: str) -> bool:
    """True where ``name`` may be the name of a Model."""
    return len(name) <= LONGEST_NAME and LABEL.fullmatch(name) is not None


def name_findings(key: ResourceKey) -> Iterator[Finding]:
    """What is wrong with the name and the namespace of ``key``."""
    dotless = key.kind in _WITHOUT_DOTS
    pattern = LABEL if dotless else _SUBDOMAIN
    if len(key.name) > LONGEST_NAME:
        message = f"the name has {len(key.name)} characters, at most {LONGEST_NAME} are allowed"
        yield Finding("InvalidName", ("metadata", "name"), message)
    elif not pattern.fullmatch(key.name):
        rule = f"{_LABEL_RULE}; no dots" if dotless else f"{_LABEL_RULE}; dots between such parts"
        yield Finding(
            "InvalidName", ("metadata", "name"), f"{shown(key.name)} cannot be the name of a {key.kind}", rule
        )
    if len(key.namespace) > LONGEST_NAMESPACE or not LABEL.fullmatch(key.namespace):
        message = f"{shown(key.namespace)} cannot be a namespace"
        rule = f"{_LABEL_RULE}; at most {LONGEST_NAMESPACE} characters"
        yield Finding("InvalidNamespace", ("metadata", "namespace"), message, rule)
