"""Bounds of a node: its caches, the rate limit per client, and the size of requests."""

import pytest

from gateway.plant.identifiers.cache import ExpiringCache
from gateway.plant.identifiers.errors import RecordInvalid
from gateway.plant.identifiers.node.app import _read_body
from infra.client_rate_limiter import RateLimiter


class Time:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


class TestExpiringCache:
    def test_least_recently_used_entry_goes_first(self) -> None:
        cache: ExpiringCache[str, int] = ExpiringCache(2, Time())
        cache.put("a", 1, 10)
        cache.put("b", 2, 10)
        assert cache.get("a") == 1
        cache.put("c", 3, 10)
        assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)

    def test_entry_expires_and_zero_is_not_stored(self) -> None:
        time = Time()
        cache: ExpiringCache[str, int] = ExpiringCache(2, time)
        cache.put("a", 1, 10)
        time.s += 9.9
        assert cache.get("a") == 1
        time.s += 0.2
        assert cache.get("a") is None
        cache.put("b", 1, 10)
        cache.put("b", 2, 0)
        assert cache.get("b") is None
        assert len(cache) == 0

    def test_matching_entries_are_removed(self) -> None:
        cache: ExpiringCache[str, int] = ExpiringCache(9, Time())
        for number in range(4):
            cache.put(str(number), number, 10)
        assert cache.remove_if(lambda _, value: value % 2 == 0) == 2
        cache.clear()
        assert len(cache) == 0


class TestRateLimiter:
    def test_client_gets_its_rate_and_a_burst_of_two_seconds(self) -> None:
        time = Time()
        limiter = RateLimiter(120, time)
        assert [limiter.allow("a") for _ in range(5)] == [True] * 4 + [False]
        assert limiter.allow("b")
        time.s += 0.5
        assert [limiter.allow("a") for _ in range(2)] == [True, False]
        assert limiter.retry_after_s == 1

    def test_addresses_of_one_ipv6_network_are_one_client(self) -> None:
        limiter = RateLimiter(60, Time())
        assert [limiter.allow(f"2001:db8::{one}") for one in range(3)] == [True, True, False]
        assert limiter.allow("2001:db8:0:1::1")

    def test_zero_is_no_limit(self) -> None:
        limiter = RateLimiter(0, Time())
        assert all(limiter.allow("a") for _ in range(100))


async def test_body_over_the_limit_is_refused_while_it_is_read() -> None:
    async def receive() -> dict[str, object]:
        return {"body": b"x" * (1 << 20), "more_body": True}

    with pytest.raises(RecordInvalid):
        await _read_body(receive)
