"""YAML text that reads back as the values it was written from, here and in Kubernetes.

PyYAML leaves unquoted what only its own reader takes for a string (``n``, ``1e3``); see
:mod:`schemas.scalars`. It stops at plain JSON values.
"""

from typing import Any

import yaml

from schemas.scalars import plain_scalar


class _Writer(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML's signature)
        """Never: a manifest for people spells everything out."""
        return True


def _text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(plain_scalar(text), str) else "'"
    if not text.isprintable():  # only double quotes keep every line break as it is
        style = '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _text)


def yaml_text(value: Any, *, ascii_only: bool = False) -> str:
    """``value`` as one YAML document in block style, fields in their order; with ``ascii_only`` whatever
    is not ASCII is escaped."""
    unicode = not ascii_only
    return str(yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=unicode, width=1000))
