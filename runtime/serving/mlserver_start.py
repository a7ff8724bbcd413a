"""Starts MLServer and lets it say why a load failed. Runs in the server's environment, not in ours.

MLServer answers a load that raised with "Internal Server Error" and writes the reason to its log only.
This script, run in place of the ``mlserver`` command, turns such an exception into MLServer's own
error type, which its REST and gRPC interfaces report. With an MLServer that is built otherwise it
changes nothing. It imports nothing of Moorage.
"""

from functools import wraps
from typing import Any

from mlserver import errors, handlers  # type: ignore[import-not-found]  # it is in the server's environment
from mlserver.cli import main  # type: ignore[import-not-found]  # as above

_SHOWN = 400  # characters


def _telling(load: Any) -> Any:
    @wraps(load)
    async def telling(*arguments: Any, **options: Any) -> Any:
        try:
            return await load(*arguments, **options)
        except errors.MLServerError:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"[:_SHOWN]
            raise errors.MLServerError(text, status_code=500) from error

    return telling


if hasattr(handlers, "ModelRepositoryHandlers"):
    handlers.ModelRepositoryHandlers.load = _telling(handlers.ModelRepositoryHandlers.load)

if __name__ == "__main__":
    main()
