"""Limits of time: they end what is late, and leave nothing behind for what is not."""

import asyncio

import pytest

from gateway.asgi.timeouts import Timeout, TimeoutWheel


async def test_ends_what_takes_too_long() -> None:
    with pytest.raises(TimeoutError):
        async with Timeout(TimeoutWheel(), 0.05):
            await asyncio.sleep(30)


async def test_leaves_what_is_in_time() -> None:
    async with Timeout(TimeoutWheel(), 30):
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)  # nothing comes later


async def test_is_extended() -> None:
    async with Timeout(TimeoutWheel(), 0.5) as within:
        for _ in range(10):
            await asyncio.sleep(0.06)
            within.extend(0.5)


async def test_a_far_limit_is_kept_to_as_well() -> None:
    """It is looked at once before its time comes."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError):
        async with Timeout(TimeoutWheel(), 1.3):
            await asyncio.sleep(30)
    assert loop.time() - began >= 1.3


async def test_another_cancellation_is_not_taken_for_it() -> None:
    async def late() -> None:
        async with Timeout(TimeoutWheel(), 30):
            await asyncio.sleep(30)

    task = asyncio.create_task(late())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_blocks_within_blocks() -> None:
    deadlines = TimeoutWheel()
    async with Timeout(deadlines, 30):
        with pytest.raises(TimeoutError):
            async with Timeout(deadlines, 0.03):
                await asyncio.sleep(30)


async def test_a_thousand_at_once_end_alike() -> None:
    deadlines = TimeoutWheel()

    async def one(seconds: float) -> bool:
        try:
            async with Timeout(deadlines, seconds):
                await asyncio.sleep(0.3)
        except TimeoutError:
            return False
        return True

    ended = await asyncio.gather(*(one(0.05 if n % 2 else 30) for n in range(1000)))
    assert ended == [n % 2 == 0 for n in range(1000)]


async def test_needs_a_task() -> None:
    """As nothing could be cancelled else."""
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def outside() -> None:
        steps = Timeout(TimeoutWheel(), 1).__aenter__()
        try:
            steps.send(None)
        except RuntimeError as error:
            failed.set_result(error)

    asyncio.get_running_loop().call_soon(outside)
    assert "task" in str(await failed)
