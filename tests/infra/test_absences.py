"""Reasons of database unavailability, by the pool and by the direct connection."""

import asyncio
import contextlib

import pytest
from sqlalchemy import text

from infra.database.database import Database, DatabaseUnavailable, UnavailableReason
from infra.database.direct import DirectConnection
from infra.telemetry.metrics import declare_metrics

# No server listens on this port.
NOBODY = "postgresql://maas@127.0.0.1:1/maas"


async def absence(url: str, query: str, timeout_s: float = 0.5) -> list[UnavailableReason]:
    """The reasons reported when a query fails by the pool and by the direct connection."""
    told: list[UnavailableReason] = []
    pool = Database(url, pool_size=1, timeout_s=timeout_s, on_unavailable=told.append)
    connection = DirectConnection(url, timeout_s, told.append)
    with pytest.raises(DatabaseUnavailable):
        async with pool.transaction() as session:
            await session.execute(text(query))
    with pytest.raises(DatabaseUnavailable):
        await connection.statement(query, {})
    await pool.close()
    await connection.close()
    return told


async def test_statement_timeout_is_reported_as_no_answer(postgres: str) -> None:
    assert await absence(postgres, "select pg_sleep(30)") == [UnavailableReason.NO_ANSWER] * 2


async def test_terminated_connection_is_reported_as_connection_lost(postgres: str) -> None:
    query = "select pg_terminate_backend(pg_backend_pid())"
    assert await absence(postgres, query, 5.0) == [UnavailableReason.CONNECTION_LOST] * 2


async def test_closed_port_is_reported_as_unreachable() -> None:
    assert await absence(NOBODY, "select 1") == [UnavailableReason.UNREACHABLE] * 2


async def test_exhausted_pool_is_reported_as_pool_exhausted(postgres: str) -> None:
    told: list[UnavailableReason] = []
    pool = Database(postgres, pool_size=1, timeout_s=2.0, on_unavailable=told.append)
    taken, done = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        with contextlib.suppress(
            DatabaseUnavailable
        ):  # the connection may be held beyond its timeout
            async with pool.transaction() as session:
                await session.connection()
                taken.set()
                await done.wait()

    holding = asyncio.create_task(hold())
    await taken.wait()
    with pytest.raises(DatabaseUnavailable):
        async with pool.transaction() as session:
            await session.connection()
    assert told[0] is UnavailableReason.POOL_EXHAUSTED
    done.set()
    await holding
    await pool.close()


async def test_database_unavailability_is_counted_by_pool_and_reason() -> None:
    metrics = declare_metrics()
    pool = Database(NOBODY, timeout_s=0.5, on_unavailable=metrics.count_unavailability("calls"))
    with pytest.raises(DatabaseUnavailable):
        async with pool.transaction() as session:
            await session.execute(text("select 1"))
    await pool.close()
    text_of, _ = metrics.exposition()
    wanted = 'maas_database_unavailable_total{pool="calls",reason="unreachable"} 1.0'
    assert wanted in text_of.decode()
