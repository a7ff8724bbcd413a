"""Errors as answers: ``{"error": {"reason", "message", "hint"}}`` with a fitting status code."""

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from schemas.errors import InputError, MoorageError, TransientError, WaitError

log = structlog.get_logger(__name__)

ABSENT = frozenset(
    {
        "ApplicationNotFound",
        "HistoryEntryNotFound",
        "KindNotFound",
        "LogNotFound",
        "PreviewNotFound",
        "ResourceNotFound",
    }
)
"""Reasons that say that what was asked for is not there; a source's own absence is another matter."""

CONFLICTS = frozenset(
    {"NothingToApprove", "NothingToConfirm", "NothingUnderWay", "PlanChanged", "RebalanceUnderWay"}
)
"""Reasons that say that what was asked for fits a world that is no more."""

_REASONS = {404: "NotFound", 405: "MethodNotAllowed"}


def error_response(status: int, reason: str, message: str, hint: str = "") -> JSONResponse:
    """One error as JSON."""
    return JSONResponse({"error": {"reason": reason, "message": message, "hint": hint}}, status)


def status_of(error: MoorageError) -> int:
    """404 for what is not there, 403 where nobody may change anything, 409 for what has changed meanwhile,
    422 for what has to be fixed, 503 where waiting helps, else 500."""
    if error.reason == "ReadOnly":
        return 403
    if error.reason in CONFLICTS:
        return 409
    if isinstance(error, InputError):
        return 404 if error.reason in ABSENT else 422
    return 503 if isinstance(error, TransientError | WaitError) else 500


async def moorage_error(_: Request, error: Exception) -> JSONResponse:
    """An error of ours."""
    assert isinstance(error, MoorageError)
    return error_response(status_of(error), error.reason, error.message, error.hint)


async def http_error(request: Request, error: Exception) -> JSONResponse:
    """What the router refuses."""
    assert isinstance(error, HTTPException)
    reason = _REASONS.get(error.status_code, "BadRequest")
    message = f"{request.method} {request.url.path[:200]}: {error.detail}"
    return error_response(error.status_code, reason, message, "docs/api.md lists what can be asked")


async def unexpected_error(request: Request, error: Exception) -> JSONResponse:
    """A defect of ours: told in the log, not to the caller."""
    log.error("request failed", path=request.url.path[:200], exc_info=error)
    return error_response(500, "InternalError", "the controller's log says more")
