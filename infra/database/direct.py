"""One connection straight through the driver, for the statement that every call needs.

SQLAlchemy takes about 0.2 ms of processor for a statement and the driver 0.06 ms; for what runs a
thousand times a second that is the difference. Everything else goes through
infra/database/database.py.

Owns that connection: opening it, and throwing it away when it fails, is left in mid-statement or
gives no answer in time.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError

from infra.database.connect import Connection, connect
from infra.database.database import (
    Absence,
    DatabaseUnavailable,
    RecordsContended,
    absence_of,
    contended,
    lost_connection,
    unheard,
)


class DirectConnection:
    """Each statement is a transaction of its own, in one round trip; one at a time.

    `timeout_s` bounds a statement, the opening of the connection included. `on_absence` hears why
    the database was not there, each time.
    """

    def __init__(
        self, url: str, timeout_s: float, on_absence: Callable[[Absence], None] = unheard
    ) -> None:
        self._url = url
        self._on_absence = on_absence
        self._timeout_s = timeout_s
        self._connection: Connection | None = None

    async def statement(self, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement, with psycopg's `%(name)s` placeholders.

        Raises DatabaseUnavailable, it may have been committed then; RecordsContended, it was not;
        and SQLAlchemy's DBAPIError where the database refuses it.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = self._connection or await self._open()
                cursor = await connection.execute(query, values, prepare=True)
                return await cursor.fetchall()
        except psycopg.Error as error:
            # Wrapped, so that the same judgement of what went wrong serves both ways.
            wrapped = DBAPIError(None, None, error)
            if connection_is_lost(wrapped, self._connection):
                opened = self._connection is not None
                self._on_absence(Absence.CONNECTION_LOST if opened else Absence.UNREACHABLE)
                await self.close()
                raise DatabaseUnavailable from error
            if contended(wrapped):
                raise RecordsContended from error
            raise wrapped from error
        except OSError as error:
            self._on_absence(absence_of(error))
            await self.close()
            raise DatabaseUnavailable from error
        except BaseException:
            # Cancelled in mid-statement: what the server answers next would be for nobody.
            await self.close()
            raise

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _open(self) -> Connection:
        self._connection = await connect(self._url, autocommit=True)
        return self._connection


def connection_is_lost(error: DBAPIError, connection: Connection | None) -> bool:
    """Whether the server went away or refused us, rather than disliked the statement."""
    return connection is None or connection.broken or lost_connection(error)
