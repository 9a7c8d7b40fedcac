"""Values that PostgreSQL cannot store are errors of the request, not of the platform."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from infra.database.database import Database, ValueUnstorable


@pytest.mark.parametrize(
    ("query", "value"),
    [
        pytest.param("select cast(:it as text)", "a\x00b", id="NUL in a text"),
        pytest.param("select cast(:it as text)", "a\ud800b", id="half of a surrogate pair"),
        pytest.param("select cast(:it as jsonb)", '{"a": "\\u0000"}', id="NUL in JSON"),
        pytest.param("select cast(:it as jsonb)->>'a'", '{"a": "\\u0000"}', id="NUL out of JSON"),
        pytest.param("select cast(:it as bigint)", 2**70, id="number out of range"),
        pytest.param("select cast(:it as timestamptz)", "9999999-01-01", id="date out of range"),
        pytest.param("select cast(:it as timestamptz)", "2026-13-01", id="no date"),
    ],
)
async def test_value_that_cannot_be_stored_raises_invalid_value(
    database: Database, query: str, value: object
) -> None:
    with pytest.raises(ValueUnstorable) as caught:
        async with database.transaction() as session:
            await session.execute(text(query), {"it": value})
    assert (caught.value.status, caught.value.code) == (400, "invalid_value")


@pytest.mark.parametrize("query", ["select 1/0", "select nothing", "select 'a'::int + 1"])
async def test_faulty_query_raises_the_database_error_unchanged(
    database: Database, query: str
) -> None:
    with pytest.raises(DBAPIError):
        async with database.transaction() as session:
            await session.execute(text(query))
