"""Single flight: concurrent callers of one key share one task."""

import asyncio

import pytest

from infra.single_flight import SingleFlight


class Work:
    """A task that counts its starts and ends when `free` is set."""

    def __init__(self) -> None:
        self.begun = 0
        self.free = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        await self.free.wait()
        return self.begun


async def test_concurrent_callers_of_one_key_share_one_task() -> None:
    flight, work = SingleFlight[str, int](), Work()
    crowd = [asyncio.create_task(flight.run("a", work)) for _ in range(5)]
    await asyncio.sleep(0)
    work.free.set()
    assert await asyncio.gather(*crowd) == [1] * 5
    assert await flight.run("a", work) == 2


async def test_callers_of_different_keys_run_separate_tasks() -> None:
    flight, work = SingleFlight[str, int](), Work()
    work.free.set()
    await asyncio.gather(flight.run("a", work), flight.run("b", work))
    assert work.begun == 2


async def test_cancelled_caller_does_not_cancel_the_shared_task() -> None:
    flight, work = SingleFlight[str, int](), Work()
    first = asyncio.create_task(flight.run("a", work))
    second = asyncio.create_task(flight.run("a", work))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    work.free.set()
    assert await second == 1


async def test_failure_is_raised_for_all_callers_and_not_cached() -> None:
    async def fail() -> int:
        raise ValueError("no")

    async def succeed() -> int:
        return 7

    flight = SingleFlight[str, int]()
    for found in await asyncio.gather(
        flight.run("a", fail), flight.run("a", fail), return_exceptions=True
    ):
        assert isinstance(found, ValueError)
    assert await flight.run("a", succeed) == 7
    with pytest.raises(ValueError, match="no"):
        await flight.run("a", fail)
