"""What is begun at once ends as if it had been awaited."""

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


async def test_what_waits_for_nothing_is_done() -> None:
    begun = EagerAwaitable(at_once())
    assert begun.is_done
    assert (begun.value, await begun) == (7, 7)


async def test_what_waits_is_awaited() -> None:
    wait, cleaned = future(), []
    begun = EagerAwaitable(later(wait, cleaned))
    assert not begun.is_done
    asyncio.get_running_loop().call_later(0.01, wait.set_result, 1)
    assert (await begun, cleaned) == (2, [True])


async def test_what_has_ended_can_be_awaited_again() -> None:
    """As a coroutine cannot: what it gave is kept."""
    wait, cleaned = future(), []
    begun = EagerAwaitable(later(wait, cleaned))
    asyncio.get_running_loop().call_later(0.01, wait.set_result, 1)
    assert (await begun, await begun, begun.is_done, cleaned) == (2, 2, True, [True])


async def test_what_fails_at_once_fails_there() -> None:
    with pytest.raises(ValueError, match="at once"):
        EagerAwaitable(fails())


async def test_what_fails_later_fails_where_it_is_awaited() -> None:
    wait, cleaned = future(), []
    begun = EagerAwaitable(later(wait, cleaned))
    asyncio.get_running_loop().call_later(0.01, wait.set_exception, ValueError("later"))
    with pytest.raises(ValueError, match="later"):
        await begun
    assert cleaned == [True]


async def test_a_cancellation_reaches_it() -> None:
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
