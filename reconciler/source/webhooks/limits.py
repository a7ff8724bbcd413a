"""How much is taken from whom: token buckets, and a memory of signatures. The time comes in as an argument.

Both are bounded in what they remember, whoever sends whatever.
"""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from schemas.errors import InputError

MAX_SOURCES = 10_000
"""Senders that are remembered; whoever was quiet longest is forgotten, and bounded by the total alone."""
MAX_REMEMBERED = 100_000
"""Signatures that are remembered; beyond it deliveries that carry a time are refused, not forgotten."""


@dataclass(frozen=True)
class Rate:
    """``burst`` deliveries at once, and ``per_second`` in the long run."""

    burst: float
    per_second: float


EACH = Rate(120, 10)
TOTAL = Rate(600, 50)


@dataclass
class _Bucket:
    tokens: float
    at: float


class Limiter:
    """Token buckets: one for each sender, one for all of them. A delivery has to find a token in both."""

    def __init__(self, each: Rate = EACH, total: Rate = TOTAL) -> None:
        self._each = each
        self._total = total
        self._all: _Bucket | None = None
        self._sources: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, source: str, now: float) -> float:
        """Seconds that ``source`` has to wait; 0 where its delivery is taken. ``now`` never goes back."""
        self._all = _filled(self._all, self._total, now)
        key = neighbourhood(source)
        bucket = self._sources[key] = _filled(self._sources.get(key), self._each, now)
        self._sources.move_to_end(key)
        if len(self._sources) > MAX_SOURCES:
            self._sources.popitem(last=False)
        if bucket.tokens < 1 or self._all.tokens < 1:
            return max(_missing(bucket, self._each), _missing(self._all, self._total))
        bucket.tokens -= 1
        self._all.tokens -= 1
        return 0.0


class Seen:
    """Signatures that were accepted, until they would not be any more."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()

    def admit(self, signature: str, expires: float, now: float) -> None:
        """Remember ``signature``. Raises InputError ``DeliveryRepeated``."""
        if len(self._until) >= MAX_REMEMBERED or signature in self._until:
            self._until = OrderedDict((each, at) for each, at in self._until.items() if at >= now)
        if signature in self._until or len(self._until) >= MAX_REMEMBERED:
            raise InputError("DeliveryRepeated", "this delivery was here before", "sign every delivery anew")
        self._until[signature] = expires


def neighbourhood(address: str) -> str:
    """An address as senders are told apart: whoever has one IPv6 address has its whole /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((int(parsed), 64), strict=False))
    return str(parsed)


def _filled(bucket: _Bucket | None, rate: Rate, now: float) -> _Bucket:
    if bucket is None:
        return _Bucket(rate.burst, now)
    bucket.tokens = min(rate.burst, bucket.tokens + rate.per_second * max(0.0, now - bucket.at))
    bucket.at = now
    return bucket


def _missing(bucket: _Bucket, rate: Rate) -> float:
    return max(0.0, 1 - bucket.tokens) / rate.per_second
