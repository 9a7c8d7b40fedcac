"""EagerAwaitable: eager execution gives the same result as `await`."""

import asyncio

import pytest

from gateway.asgi.eager import EagerAwaitable


async def at_once() -> int:
    return 7


async def later(wait: "asyncio.Future[int]", cleaned: list[bool]) -> int:
    try:
        return await wait + await asyncio.sleep(0, 1)
    finally:
        cleaned.append(True)


async def fails() -> None:
    raise ValueError("at once")


def future() -> "asyncio.Future[int]":
    return asyncio.get_running_loop().create_future()


async def test_eager_awaitable_without_suspension_is_done() -> None:
    begun = EagerAwaitable(at_once())
    assert begun.is_done
    assert (begun.value, await begun) == (7, 7)


async def test_suspended_eager_awaitable_finishes_when_awaited() -> None:
    wait, cleaned = future(), []
    begun = EagerAwaitable(later(wait, cleaned))
    assert not begun.is_done
    asyncio.get_running_loop().call_later(0.01, wait.set_result, 1)
    assert (await begun, cleaned) == (2, [True])


async def test_finished_eager_awaitable_can_be_awaited_again() -> None:
    """Unlike a coroutine, it keeps its result."""
    wait, cleaned = future(), []
    begun = EagerAwaitable(later(wait, cleaned))
    asyncio.get_running_loop().call_later(0.01, wait.set_result, 1)
    assert (await begun, await begun, begun.is_done, cleaned) == (2, 2, True, [True])


async def test_exception_before_suspension_is_raised_by_constructor() -> None:
    with pytest.raises(ValueError, match="at once"):
        EagerAwaitable(fails())


async def test_exception_after_suspension_is_raised_by_await() -> None:
    wait, cleaned = future(), []
    begun = EagerAwaitable(later(wait, cleaned))
    asyncio.get_running_loop().call_later(0.01, wait.set_exception, ValueError("later"))
    with pytest.raises(ValueError, match="later"):
        await begun
    assert cleaned == [True]


async def test_cancellation_reaches_suspended_eager_awaitable() -> None:
    cleaned: list[bool] = []
    begun = EagerAwaitable(later(future(), cleaned))

    async def wait() -> int:
        return await begun

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]
