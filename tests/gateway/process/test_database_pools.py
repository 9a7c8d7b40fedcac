"""The connections to PostgreSQL: what asks much keeps no call waiting."""

from contextlib import AsyncExitStack

from tests.support.builders import Gateway


async def test_a_call_needs_none_that_handlers_have(gateway: Gateway) -> None:
    """Neither to look up its key, nor for an answer that was given before."""
    handlers = gateway.parts.connections.handlers
    gateway.http.headers["idempotency-key"] = "order-4711"
    async with AsyncExitStack() as taken:
        for _ in range(handlers.pool_size):
            session = await taken.enter_async_context(handlers.transaction())
            await session.connection()
        assert handlers.in_use == handlers.pool_size
        for _ in range(2):
            answer = await gateway.chat("hi")
            assert answer.status_code == 200, answer.text
    assert answer.headers["idempotent-replayed"] == "true"
