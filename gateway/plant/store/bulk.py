"""Write many rows at once with PostgreSQL's COPY."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import UUID

from psycopg import AsyncConnection, sql
from sqlalchemy.ext.asyncio import AsyncSession

# Rows after which other tasks of the process get a turn.
_ROWS_PER_TURN = 200


async def copy_rows(
    session: AsyncSession, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows into a table, in the transaction of the session."""
    connection = await _driver_connection(session)
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for count, row in enumerate(rows):
            await copy.write_row(row)
            if count % _ROWS_PER_TURN == 0:
                await asyncio.sleep(0)


async def update_rows(
    session: AsyncSession,
    account_id: UUID,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Set columns of rows of an account. `rows` have the id, then the values of the columns."""
    if not rows:
        return
    connection = await _driver_connection(session)
    staging = f"{table}_staging"
    names = {"table": sql.Identifier(table), "staging": sql.Identifier(staging)}
    await connection.execute(sql.SQL("drop table if exists {staging}").format(**names))
    await connection.execute(
        sql.SQL(
            "create temporary table {staging} on commit drop as select id, {columns} from {table} "
            "with no data"
        ).format(columns=sql.SQL(", ").join(map(sql.Identifier, columns)), **names)
    )
    await copy_rows(session, staging, ("id", *columns), rows)
    assignments = sql.SQL(", ").join(
        sql.SQL("{name} = {staging}.{name}").format(name=sql.Identifier(one), **names)
        for one in columns
    )
    await connection.execute(
        sql.SQL(
            "update {table} set {assignments} from {staging} "
            "where {table}.id = {staging}.id and {table}.account_id = %s"
        ).format(assignments=assignments, **names),
        (account_id,),
    )


async def _driver_connection(session: AsyncSession) -> AsyncConnection[Any]:
    """Return psycopg's connection of a session's transaction."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    return cast(AsyncConnection[Any], raw.driver_connection)
