"""How long a provider asks us to wait before the next request.

Sources: GitHub, *Best practices for using the REST API*; GitLab, *Rate limits*. A header may hold anything.
"""

import math
import re
from email.utils import parsedate_to_datetime

import httpx

LEAST, MOST = 1.0, 86_400.0
"""Seconds. Who asks for less is asked again at once and would answer the same; nobody is believed more."""
UNTOLD = 60.0
"""Seconds where the answer does not say; GitHub's own advice."""

_EPOCH = 1_000_000_000
"""A reset above this is a moment in seconds since 1970, one below it a delay."""


def pause(status: int, headers: httpx.Headers, now: float) -> float | None:
    """Seconds to wait, or None where ``status`` is no rate limit. ``now`` is seconds since 1970."""
    if not _limited(status, headers):
        return None
    told = _retry_after(headers.get("retry-after", ""), now)
    if told is None and _exhausted(headers):
        told = _reset(headers, now)
    return min(MOST, max(LEAST, UNTOLD if told is None else told))


def _limited(status: int, headers: httpx.Headers) -> bool:
    """GitHub answers 403 as well, which means a refusal where neither header is."""
    return status == 429 or (status == 403 and (_exhausted(headers) or "retry-after" in headers))


def _exhausted(headers: httpx.Headers) -> bool:
    return "0" in (headers.get("x-ratelimit-remaining"), headers.get("ratelimit-remaining"))


def _reset(headers: httpx.Headers, now: float) -> float | None:
    value = _number(headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or "")
    return value - now if value is not None and value > _EPOCH else value


def _retry_after(value: str, now: float) -> float | None:
    """Seconds, or a date."""
    seconds = _number(value)
    if seconds is not None or not value:
        return seconds
    try:
        return parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None


def _number(value: str) -> float | None:
    return float(math.ceil(float(value))) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", value) else None
