"""Timeouts: late blocks are cancelled, and timely blocks leave no pending timer."""

import asyncio

import pytest

from gateway.asgi.timeouts import Timeout, TimeoutWheel


async def test_timeout_cancels_late_block() -> None:
    with pytest.raises(TimeoutError):
        async with Timeout(TimeoutWheel(), 0.05):
            await asyncio.sleep(30)


async def test_timeout_does_not_affect_timely_block() -> None:
    async with Timeout(TimeoutWheel(), 30):
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)  # no timer fires later


async def test_extended_timeout_does_not_expire() -> None:
    async with Timeout(TimeoutWheel(), 0.5) as within:
        for _ in range(10):
            await asyncio.sleep(0.06)
            within.extend(0.5)


async def test_timeout_beyond_check_interval_does_not_expire_early() -> None:
    """The wheel checks it once before it is due."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError):
        async with Timeout(TimeoutWheel(), 1.3):
            await asyncio.sleep(30)
    assert loop.time() - began >= 1.3


async def test_other_cancellation_is_not_converted_to_timeout_error() -> None:
    async def late() -> None:
        async with Timeout(TimeoutWheel(), 30):
            await asyncio.sleep(30)

    task = asyncio.create_task(late())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_inner_timeout_does_not_end_outer_block() -> None:
    deadlines = TimeoutWheel()
    async with Timeout(deadlines, 30):
        with pytest.raises(TimeoutError):
            async with Timeout(deadlines, 0.03):
                await asyncio.sleep(30)


async def test_1000_concurrent_timeouts_expire_independently() -> None:
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


async def test_timeout_outside_a_task_raises() -> None:
    """Without a task, there would be nothing to cancel."""
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def outside() -> None:
        steps = Timeout(TimeoutWheel(), 1).__aenter__()
        try:
            steps.send(None)
        except RuntimeError as error:
            failed.set_result(error)

    asyncio.get_running_loop().call_soon(outside)
    assert "task" in str(await failed)
