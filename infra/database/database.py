"""The connection pool and its transactions, with database errors mapped to application errors."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from functools import partial
from typing import cast

from sqlalchemy import AsyncAdaptedQueuePool, func, select
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from infra.database.after_commit import run_callbacks
from infra.database.connect import connect, driver_url
from infra.database.liveness import replace_dead_connections
from infra.errors import AppError


class UnavailableReason(StrEnum):
    """Reason why the database was unavailable, as a metric label for operators."""

    POOL_EXHAUSTED = "pool_exhausted"  # no free connection within the pool timeout
    NO_ANSWER = "no_answer"  # no answer within the caller's timeout
    UNREACHABLE = "unreachable"  # connection refused: server down, starting, stopping or full
    CONNECTION_LOST = "connection_lost"  # the connection broke while in use
    NOT_ASKED = "not_asked"  # down for so long that the query was not attempted


def ignore_unavailability(reason: UnavailableReason) -> None:
    """Do nothing when the database is unavailable: the callback of processes without metrics."""


class DatabaseUnavailable(AppError):
    """PostgreSQL cannot be reached or does not answer. Nothing was changed, unless the commit
    itself got no answer."""

    status = 503
    code = "database_unavailable"

    def __init__(
        self,
        message: str = "The database is not available. Retry in a few seconds.",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, headers=headers)


class TransactionConflict(DatabaseUnavailable):
    """Serialization failure or deadlock: the transaction was rolled back and can be retried."""

    code = "records_contended"

    def __init__(self) -> None:
        super().__init__(
            "Other requests changed the same records at the same time. Nothing was changed. Retry "
            "the request.",
            headers={"retry-after": "1"},
        )


class ValueUnstorable(AppError):
    """A request value that PostgreSQL cannot store: text with NUL or an unpaired surrogate, or a
    number or date out of range. Nothing was changed."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_value"

    def __init__(self) -> None:
        super().__init__(
            "The request contains a value that cannot be stored: a text with a NUL character or an "
            "unpaired surrogate, or a number or date out of range."
        )


# 22001: text too long; 22003: number out of range; 22007, 22008: dates; 22021, 22P05: characters.
_UNSTORABLE_SQLSTATES = frozenset({"22001", "22003", "22007", "22008", "22021", "22P05"})


class Database:
    """A pool of connections. Create one per process and `close` it at the end.

    `timeout_s` limits a whole transaction. `on_unavailable` is called with the reason each time
    the database is unavailable.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        timeout_s: float | None = None,
        on_unavailable: Callable[[UnavailableReason], None] = ignore_unavailability,
    ) -> None:
        self._timeout_s = timeout_s
        self._on_unavailable = on_unavailable
        self.pool_size = pool_size
        self._engine = create_async_engine(
            driver_url(url),
            async_creator=partial(connect, url),
            pool_size=pool_size,
            max_overflow=0,
            # Shorter than the transaction timeout, so that the reason can be told apart.
            pool_timeout=5 if timeout_s is None else 0.8 * timeout_s,
            hide_parameters=True,
        )
        replace_dead_connections(self._engine)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @property
    def in_use(self) -> int:
        """The number of connections in use."""
        return cast(AsyncAdaptedQueuePool, self._engine.pool).checkedout()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Context of one transaction: committed at the end, rolled back on any error.

        Raises DatabaseUnavailable for connection errors, TransactionConflict, and ValueUnstorable
        for values that PostgreSQL cannot store.
        """
        with self._map_errors():
            async with (
                asyncio.timeout(self._timeout_s),
                self._sessions() as session,
                session.begin(),
            ):
                yield session
        run_callbacks(session)

    def unavailable(self, reason: UnavailableReason) -> DatabaseUnavailable:
        """Report the reason to the callback and return the DatabaseUnavailable to raise."""
        self._on_unavailable(reason)
        return DatabaseUnavailable()

    @contextmanager
    def _map_errors(self) -> Iterator[None]:
        """Convert errors to DatabaseUnavailable, TransactionConflict or ValueUnstorable."""
        try:
            yield
        except PoolTimeout as error:
            raise self.unavailable(UnavailableReason.POOL_EXHAUSTED) from error
        except OSError as error:
            raise self.unavailable(unavailable_reason(error)) from error
        except DBAPIError as error:
            if is_connection_lost(error):
                was_open = error.connection_invalidated
                reason = (
                    UnavailableReason.CONNECTION_LOST if was_open else UnavailableReason.UNREACHABLE
                )
                raise self.unavailable(reason) from error
            if is_transaction_conflict(error):
                raise TransactionConflict from error
            if is_unstorable_value(error):
                raise ValueUnstorable from error
            raise
        except UnicodeEncodeError as error:
            raise ValueUnstorable from error

    async def close(self) -> None:
        """Close all connections of the pool."""
        await self._engine.dispose()


async def allow_long_statements(session: AsyncSession) -> None:
    """Raise the statement timeout of this transaction to 2 h, for background work."""
    await limit_statements(session, 7_200.0)


async def limit_statements(session: AsyncSession, seconds: float) -> None:
    """Set the statement timeout of this transaction, in place of the connection's."""
    value = f"{round(seconds * 1000)}ms"
    await session.execute(select(func.set_config("statement_timeout", value, True)))


def unavailable_reason(error: OSError) -> UnavailableReason:
    """Return NO_ANSWER for a timeout, else UNREACHABLE."""
    return (
        UnavailableReason.NO_ANSWER
        if isinstance(error, TimeoutError)
        else UnavailableReason.UNREACHABLE
    )


def is_connection_lost(error: SQLAlchemyError) -> bool:
    """Return whether an error is one of the connection or server, not of the statement."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or type(error.orig).__name__ == "OperationalError"
    # Class 08: connection; 53: resources; 57P: operator intervention (shutdown, starting up).
    return bool(state.startswith(("08", "53", "57P")))


def is_outage(error: Exception) -> bool:
    """Return whether the database is away, so that other work would fail as well."""
    if isinstance(error, DatabaseUnavailable):
        return not isinstance(error, TransactionConflict)
    return isinstance(error, SQLAlchemyError) and is_connection_lost(error)


def is_transaction_conflict(error: DBAPIError) -> bool:
    """Return whether an error is a deadlock (40P01) or a serialization failure (40001)."""
    return getattr(error.orig, "sqlstate", None) in ("40P01", "40001")


def is_constraint_violation(error: DBAPIError) -> bool:
    """Return whether a row breaks a constraint: its unique key exists, a check fails (class 23)."""
    return str(getattr(error.orig, "sqlstate", None)).startswith("23")


def is_unstorable_value(error: DBAPIError) -> bool:
    """Return whether the server or the driver (for NUL) rejected a value as not storable."""
    state = getattr(error.orig, "sqlstate", None)
    return state in _UNSTORABLE_SQLSTATES or (state is None and isinstance(error, DataError))
