"""Whose signature a commit needs before it is believed: the setting of an application.

The checking is :mod:`reconciler.source.verifier`'s work.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Mode = Literal["off", "head", "tag"]


@dataclass(frozen=True)
class Verification:
    """``head``: the commit that is followed has to be signed; ``tag``: the tag that is followed.

    ``allowed_signers`` is a file of ssh keys as Git knows it, ``keys`` are files of OpenPGP certificates.
    Both are read anew for every commit.
    """

    mode: Mode = "off"
    allowed_signers: Path | None = None
    keys: tuple[Path, ...] = ()


OFF = Verification()
