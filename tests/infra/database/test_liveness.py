"""Pooled connections are tested before use: dead ones are replaced, live ones execute nothing."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from infra.database.connect import connect, driver_url
from infra.database.liveness import replace_dead_connections

ALWAYS_SILENT_S = -1.0
Ping = Callable[[Any], bool]


@pytest.fixture
async def engine(postgres: str) -> AsyncIterator[AsyncEngine]:
    creator = partial(connect, postgres)
    made = create_async_engine(driver_url(postgres), async_creator=creator, pool_size=1)
    yield made
    await made.dispose()


async def process_id(engine: AsyncEngine) -> int:
    """The process of the server behind the pool's connection."""
    async with engine.connect() as connection:
        return int((await connection.execute(text("select pg_backend_pid()"))).scalar_one())


def counted(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, ping: Ping) -> list[Any]:
    """The pings of the engine's connections, which have the result of `ping`."""
    pings: list[Any] = []

    def do_ping(connection: Any) -> bool:
        pings.append(connection)
        return ping(connection)

    monkeypatch.setattr(engine.dialect, "do_ping", do_ping)
    return pings


async def test_connection_that_the_server_ended_is_replaced(
    engine: AsyncEngine, postgres: str
) -> None:
    replace_dead_connections(engine)
    ended = await process_id(engine)
    with psycopg.connect(postgres) as other:
        done = other.execute("select pg_terminate_backend(%s, 5000)", [ended]).fetchone()
    assert done == (True,)
    assert await process_id(engine) != ended


async def test_live_connection_is_used_again_without_a_statement(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_dead_connections(engine)
    pings = counted(engine, monkeypatch, engine.dialect.do_ping)
    assert await process_id(engine) == await process_id(engine)
    assert pings == []


async def test_connection_that_was_silent_executes_a_statement_first(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_dead_connections(engine, ALWAYS_SILENT_S)
    pings = counted(engine, monkeypatch, engine.dialect.do_ping)
    assert await process_id(engine) == await process_id(engine)
    assert len(pings) == 1


async def test_silent_connection_that_does_not_answer_is_replaced(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_connection: Any) -> bool:
        raise psycopg.OperationalError("no route to the server")

    replace_dead_connections(engine, ALWAYS_SILENT_S)
    counted(engine, monkeypatch, fail)
    assert await process_id(engine) != await process_id(engine)
