"""PostgreSQL connection pools: busy handlers do not delay calls."""

from contextlib import AsyncExitStack

from tests.support.builders import Gateway


async def test_call_succeeds_while_the_handler_pool_is_exhausted(gateway: Gateway) -> None:
    """Neither the API key lookup nor a replayed response uses the handlers' pool."""
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
