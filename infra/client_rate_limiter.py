"""Rate limit per client address: a token bucket for each, in a bounded table."""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network

_MAX_CLIENTS = 50_000
_BURST_S = 2.0  # seconds of the rate that a client may send at once


class RateLimiter:
    """Allows `per_minute` requests to each client (IPv4 address, IPv6 /64); 0: no limit."""

    def __init__(self, per_minute: int, now: Callable[[], float]) -> None:
        self._rate = per_minute / 60
        self._burst = max(1.0, self._rate * _BURST_S)
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, client: str) -> bool:
        """Take one request of a client, and return whether it is within the limit."""
        if self._rate == 0:
            return True
        name = client if ":" not in client else _network(client)
        now = self._now()
        tokens, updated = self._buckets.get(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - updated) * self._rate)
        allowed = tokens >= 1
        self._buckets[name] = (tokens - 1 if allowed else tokens, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return allowed

    @property
    def retry_after_s(self) -> int:
        """Seconds until the next request of a client over the limit is allowed."""
        return max(1, round(1 / self._rate)) if self._rate else 0


def _network(client: str) -> str:
    """Return the /64 network of an IPv6 address, the text itself if it is none."""
    try:
        return str(ip_network((ip_address(client), 64), strict=False))
    except ValueError:
        return client
