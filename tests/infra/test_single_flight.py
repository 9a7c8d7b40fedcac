"""One task for all who want the same thing at once."""

import asyncio

import pytest

from infra.single_flight import SingleFlight


class Work:
    """Counts how often it is begun; ends when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.free = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        await self.free.wait()
        return self.begun


async def test_a_crowd_shares_one() -> None:
    flight, work = SingleFlight[str, int](), Work()
    crowd = [asyncio.create_task(flight.run("a", work)) for _ in range(5)]
    await asyncio.sleep(0)
    work.free.set()
    assert await asyncio.gather(*crowd) == [1] * 5
    assert await flight.run("a", work) == 2


async def test_others_work_for_themselves() -> None:
    flight, work = SingleFlight[str, int](), Work()
    work.free.set()
    await asyncio.gather(flight.run("a", work), flight.run("b", work))
    assert work.begun == 2


async def test_who_leaves_does_not_end_it() -> None:
    flight, work = SingleFlight[str, int](), Work()
    first = asyncio.create_task(flight.run("a", work))
    second = asyncio.create_task(flight.run("a", work))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    work.free.set()
    assert await second == 1


async def test_a_failure_is_everybodys_and_is_forgotten() -> None:
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
