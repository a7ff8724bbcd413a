"""Where a secret of ours comes from: a file or an environment variable, read each time it is needed.

So a rotated secret holds without a restart. It never stands in the configuration, and no error or
representation shows it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import InputError

MAX_SECRET = 64 * 1024
"""Bytes of a secret; a key file has a few thousand."""


@dataclass(frozen=True)
class SecretFrom:
    """Exactly one of a file's path and a variable's name."""

    file: Path | None = None
    env: str | None = None

    def read(self, least: int = 1) -> str:
        """The secret, without white space at its ends.

        Raises InputError ``CredentialUnreadable``: not there, below ``least`` characters, too long, no text.
        """
        text = (self._of_file(self.file) if self.file is not None else self._of_variable()).strip()
        if len(text) < least:
            raise self._unreadable(f"has {len(text)} characters where {least} are the least")
        return text

    def _of_file(self, file: Path) -> str:
        try:
            with file.open("rb") as opened:
                data = opened.read(MAX_SECRET + 1)
            if len(data) > MAX_SECRET:
                raise self._unreadable(f"is longer than {MAX_SECRET} bytes")
            return data.decode()
        except OSError as error:
            raise self._unreadable(f"cannot be read: {error.strerror}") from error
        except UnicodeDecodeError:
            raise self._unreadable("is no text") from None

    def _of_variable(self) -> str:
        return os.environ.get(self.env or "", "")

    def _unreadable(self, why: str) -> InputError:
        where = f"file {self.file}" if self.file is not None else f"environment variable {self.env}"
        return InputError("CredentialUnreadable", f"the secret in {where} {why}", "put it there")
