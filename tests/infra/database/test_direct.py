"""The direct connection: statements, errors, and servers that do not respond."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from infra.database.database import Database, DatabaseUnavailable, TransactionConflict
from infra.database.direct import DirectConnection
from infra.database.embedded_postgres import EmbeddedPostgres, start_postgres
from tests.support.billing.making import until_somebody_waits


@pytest.fixture
async def server(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A separate server, which a test may freeze."""
    running = start_postgres(data_dir / "postgres")
    yield running
    running.stop()


def tell(server: EmbeddedPostgres, number: signal.Signals) -> None:
    top = psutil.Process(server._server.get_pid())
    for process in [top, *top.children()]:
        os.kill(process.pid, number)


async def test_direct_statement_returns_its_rows(postgres: str) -> None:
    connection = DirectConnection(postgres, 5)
    assert await connection.statement("select %(a)s::int + 1", {"a": 1}) == [(2,)]
    await connection.close()


async def test_direct_statements_at_once_open_one_connection(postgres: str) -> None:
    connection = DirectConnection(postgres, 5)
    backend = "select pg_backend_pid()"
    first, *others = await asyncio.gather(*(connection.statement(backend, {}) for _ in range(5)))
    assert others == [first] * 4
    await connection.close()


async def test_direct_statement_cancelled_before_its_turn_leaves_the_running_one_alone(
    postgres: str,
) -> None:
    connection, pool = DirectConnection(postgres, 10), Database(postgres)
    async with pool.transaction() as session:
        await _lock(session, 1)
        query = "select 7 from pg_advisory_xact_lock(1)"
        running = asyncio.create_task(connection.statement(query, {}))
        waiting = asyncio.create_task(connection.statement("select 1", {}))
        await until_somebody_waits(session)
        waiting.cancel()
        closing = asyncio.create_task(connection.close())
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await running == [(7,)]
    await closing
    assert await connection.statement("select 1", {}) == [(1,)]
    await connection.close()
    await pool.close()


async def test_direct_statements_at_once_try_in_turn_when_the_server_is_down() -> None:
    nowhere = DirectConnection("postgresql://127.0.0.1:1/none", 5)
    ended = await asyncio.gather(
        *(nowhere.statement("select 1", {}) for _ in range(3)), return_exceptions=True
    )
    assert [type(one) for one in ended] == [DatabaseUnavailable] * 3


async def test_failed_direct_statement_leaves_the_connection_usable(postgres: str) -> None:
    connection = DirectConnection(postgres, 5)
    with pytest.raises(DBAPIError):
        await connection.statement("select 1 / %(a)s::int", {"a": 0})
    assert await connection.statement("select 1", {}) == [(1,)]
    await connection.close()


async def test_direct_statement_over_the_timeout_raises_database_unavailable(postgres: str) -> None:
    connection = DirectConnection(postgres, 1.0)
    with pytest.raises(DatabaseUnavailable):
        await connection.statement("select pg_sleep(30)", {})
    assert await connection.statement("select 1", {}) == [(1,)]
    await connection.close()


async def test_frozen_server_raises_database_unavailable_until_it_continues(
    server: EmbeddedPostgres,
) -> None:
    """By the direct connection and by the pool."""
    connection, pool = DirectConnection(server.url, 1.0), Database(server.url, timeout_s=1.0)
    await connection.statement("select 1", {})
    async with pool.transaction():
        pass
    tell(server, signal.SIGSTOP)
    try:
        with pytest.raises(DatabaseUnavailable):
            await connection.statement("select 1", {})
        with pytest.raises(DatabaseUnavailable):
            async with pool.transaction() as session:
                await session.connection()
    finally:
        tell(server, signal.SIGCONT)
    assert await connection.statement("select 1", {}) == [(1,)]
    async with pool.transaction() as session:
        await session.connection()
    await connection.close()
    await pool.close()


async def test_deadlock_raises_transaction_conflict_with_retry_after(postgres: str) -> None:
    """The statement that waited first fails and is rolled back, by either kind of connection."""
    connection, pool = DirectConnection(postgres, 10), Database(postgres)
    # A waiting transaction checks once for a deadlock: the statement does when both wait.
    await connection.statement("select set_config('deadlock_timeout', '3s', false)", {})
    async with pool.transaction() as session:
        await session.execute(text("set local deadlock_timeout = '1min'"))
        await _lock(session, 1)
        waiting = asyncio.create_task(connection.statement(_BOTH, {}))
        await until_somebody_waits(session)
        await _lock(session, 2)  # deadlock: PostgreSQL cancels the statement
        with pytest.raises(TransactionConflict) as told:
            await waiting
    assert told.value.headers == {"retry-after": "1"}
    assert await connection.statement("select 1", {}) == [(1,)]

    with pytest.raises(TransactionConflict):
        await _cross(pool)
    await connection.close()
    await pool.close()


_BOTH = "select pg_advisory_xact_lock(2), pg_advisory_xact_lock(1)"


async def _lock(session: AsyncSession, number: int) -> None:
    await session.execute(text(f"select pg_advisory_xact_lock({number})"))


async def _cross(pool: Database) -> None:
    async with pool.transaction() as first, pool.transaction() as second:
        await _lock(first, 2)
        await _lock(second, 1)
        other = asyncio.create_task(_lock(first, 1))
        await until_somebody_waits(second)
        await _lock(second, 2)
        await other
