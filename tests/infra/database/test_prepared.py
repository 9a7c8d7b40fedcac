"""Prepared statements: values of several types, errors, and statements at the same time."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from infra.database.connect import connect
from infra.database.prepared import PreparedStatements


@pytest.fixture
async def statements(postgres: str) -> AsyncIterator[PreparedStatements]:
    connection = await connect(postgres, autocommit=True)
    yield PreparedStatements(connection)
    await connection.close()


async def test_query_is_prepared_for_each_type_of_its_values(
    statements: PreparedStatements,
) -> None:
    query = "select %(a)s, %(b)s::text, %(a)s"
    for a, b in ((1, "x"), (2**40, None), ("text", "%"), (True, "y"), (None, "z"), (3, "x")):
        assert await statements.execute(query, {"a": a, "b": b}) == [(a, b, a)]
    prepared = await statements.execute("select count(*) from pg_prepared_statements", {})
    assert prepared == [(5,)]  # texts and NULL have the same type; with the query that counts


async def test_rejected_query_raises_error_of_driver_and_next_query_works(
    statements: PreparedStatements,
) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            await statements.execute("select 1 from nowhere", {})
    assert await statements.execute("select 1", {}) == [(1,)]


async def test_concurrent_statements_wait_for_each_other(statements: PreparedStatements) -> None:
    found = await asyncio.gather(
        *(statements.execute("select %(a)s::int", {"a": number}) for number in range(20))
    )
    assert found == [[(number,)] for number in range(20)]


async def test_query_without_result_rows_returns_none(statements: PreparedStatements) -> None:
    assert await statements.execute("create temporary table one (a int)", {}) == []
