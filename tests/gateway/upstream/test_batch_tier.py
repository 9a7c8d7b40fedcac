"""The service tier of batches: last in the queue, with a small share, outside the reserve."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from gateway.call.values import ServiceTier
from gateway.upstream.concurrency import Scheduler

D, F, B = ServiceTier.DEFAULT, ServiceTier.FLEX, ServiceTier.BATCH


class Callers:
    """Calls that wait for a slot, with the order in which they got one."""

    def __init__(self, slots: int) -> None:
        self.scheduler = Scheduler(slots, waiting_limit=1000)
        self.served: list[ServiceTier] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def call(self, *tiers: ServiceTier) -> None:
        """Start calls that keep their slot, and let those begin that can."""
        self.tasks += [asyncio.create_task(self._wait(tier)) for tier in tiers]
        await self.settle()

    async def end(self, tier: ServiceTier) -> None:
        """End a running call of a tier."""
        self.scheduler._release(tier, None)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(6):
            await asyncio.sleep(0)

    async def _wait(self, tier: ServiceTier) -> None:
        await self.scheduler.acquire(tier)
        self.served.append(tier)


@pytest.fixture
async def callers(request: pytest.FixtureRequest) -> AsyncIterator[Callers]:
    callers = Callers(request.param)
    yield callers
    for task in callers.tasks:
        task.cancel()
    await asyncio.gather(*callers.tasks, return_exceptions=True)


def count(served: Sequence[ServiceTier], tier: ServiceTier) -> int:
    return sum(one is tier for one in served)


@pytest.mark.parametrize("callers", [2], indirect=True)
async def test_batch_call_waits_for_flex_and_default_calls(callers: Callers) -> None:
    await callers.call(D, D, B, F, D)
    await callers.end(D)
    assert callers.served == [D, D, D]
    await callers.end(D)
    assert callers.served == [D, D, D]  # a reserve of one slot stays free
    await callers.end(D)
    assert callers.served == [D, D, D, F]
    await callers.end(F)
    assert callers.served == [D, D, D, F, B]


@pytest.mark.parametrize("callers", [2], indirect=True)
async def test_batch_call_gets_one_of_32_slots_under_full_load(callers: Callers) -> None:
    await callers.call(D, D, B, D)
    for _ in range(31):
        await callers.call(D)
        await callers.end(D)
    assert count(callers.served, B) == 0
    await callers.call(D)
    await callers.end(D)
    assert count(callers.served, B) == 1


@pytest.mark.parametrize("callers", [8], indirect=True)
async def test_flex_and_batch_calls_together_leave_the_reserve_free(callers: Callers) -> None:
    await callers.call(*[F, B] * 8)
    assert len(callers.served) == 7
    await callers.call(D)
    assert callers.served[-1] is D
