"""PostgreSQL connection pools: busy handlers do not delay calls, and how long a commit takes."""

from contextlib import AsyncExitStack

import pytest

from gateway.process.database_pools import create_connections
from infra.telemetry.metrics import declare_metrics
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


@pytest.mark.parametrize(("settle_timeout_s", "commit_timeout_s"), [(15, 5), (2, 1), (0.2, 0.2)])
def test_settle_timeout_leaves_time_for_more_than_one_commit(
    settle_timeout_s: float, commit_timeout_s: float
) -> None:
    connections = create_connections("postgresql://unused", settle_timeout_s, declare_metrics())
    assert connections.records._timeout_s == commit_timeout_s
