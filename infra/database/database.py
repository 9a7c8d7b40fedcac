"""The database: one engine for a process, and the only place that commits."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from functools import partial
from typing import cast

from sqlalchemy import AsyncAdaptedQueuePool, text
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from infra.database.after_commit import follow
from infra.database.connect import connect, driver_url
from infra.errors import AppError


class Absence(StrEnum):
    """Why the database was not there for somebody: what an operator looks for differs."""

    POOL_EXHAUSTED = "pool_exhausted"  # all connections were taken for as long as one waits
    NO_ANSWER = "no_answer"  # not within the time that the caller has
    UNREACHABLE = "unreachable"  # nobody listens, or it refuses: starting, stopping, or full
    CONNECTION_LOST = "connection_lost"  # in the middle of its use
    NOT_ASKED = "not_asked"  # unanswered for so long that nobody is kept waiting for it


def unheard(absence: Absence) -> None:
    """For processes without metrics."""


class DatabaseUnavailable(AppError):
    """PostgreSQL cannot be reached or does not answer. Nothing was changed, unless it was the
    commit that got no answer."""

    status = 503
    code = "database_unavailable"

    def __init__(
        self,
        message: str = "The service cannot reach its records just now. Please try again shortly.",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, headers=headers)


class RecordsContended(DatabaseUnavailable):
    """The transaction was ended for another one that wanted the same records. Nothing was changed,
    and the same may be tried at once."""

    code = "records_contended"

    def __init__(self) -> None:
        super().__init__(
            "Others changed the same records at the same moment, so nothing was changed. "
            "Please try again.",
            headers={"retry-after": "1"},
        )


class ValueUnstorable(AppError):
    """A value of the request that PostgreSQL cannot hold: a NUL or half of a surrogate pair in a
    text, a number or a date out of range. Nothing was changed."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_value"

    def __init__(self) -> None:
        super().__init__(
            "The request contains a value that cannot be stored: a text with a NUL character or an "
            "unpaired surrogate, or a number or date out of range."
        )


# 22001: text too long; 22003: number out of range; 22007, 22008: dates; 22021, 22P05: characters.
_UNSTORABLE = frozenset({"22001", "22003", "22007", "22008", "22021", "22P05"})


class Database:
    """A pool of connections. Build one a process, `close` it at the end.

    `timeout_s` bounds a whole transaction, where callers wait for it. `on_absence` hears why the
    database was not there, each time.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        timeout_s: float | None = None,
        on_absence: Callable[[Absence], None] = unheard,
    ) -> None:
        self._timeout_s = timeout_s
        self._on_absence = on_absence
        self.pool_size = pool_size
        self._engine = create_async_engine(
            driver_url(url),
            async_creator=partial(connect, url),
            pool_size=pool_size,
            max_overflow=0,
            # Before the whole transaction's time is over, so that it is told which of both it was.
            pool_timeout=5 if timeout_s is None else 0.8 * timeout_s,
            pool_pre_ping=True,
            hide_parameters=True,
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @property
    def in_use(self) -> int:
        """Connections that are taken just now."""
        return cast(AsyncAdaptedQueuePool, self._engine.pool).checkedout()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One unit of work: committed at the end, rolled back on any error.

        Raises DatabaseUnavailable where the connection, not the statement, is at fault,
        RecordsContended, and ValueUnstorable: whatever checks its input must, this is where all
        text of customers passes.
        """
        with self._availability():
            async with (
                asyncio.timeout(self._timeout_s),
                self._sessions() as session,
                session.begin(),
            ):
                yield session
        follow(session)

    def absent(self, why: Absence) -> DatabaseUnavailable:
        """The error to raise, when it has been told why."""
        self._on_absence(why)
        return DatabaseUnavailable()

    @contextmanager
    def _availability(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise self.absent(Absence.POOL_EXHAUSTED) from error
        except OSError as error:
            raise self.absent(absence_of(error)) from error
        except DBAPIError as error:
            if lost_connection(error):
                opened = error.connection_invalidated
                why = Absence.CONNECTION_LOST if opened else Absence.UNREACHABLE
                raise self.absent(why) from error
            if contended(error):
                raise RecordsContended from error
            if unstorable(error):
                raise ValueUnstorable from error
            raise
        except UnicodeEncodeError as error:
            raise ValueUnstorable from error

    async def close(self) -> None:
        await self._engine.dispose()


async def take_time(session: AsyncSession) -> None:
    """Let the statements of this transaction take long: for work that nobody waits for."""
    await session.execute(text("set local statement_timeout = '2h'"))


def absence_of(error: OSError) -> Absence:
    """Whether there was no answer in time, or nobody to ask."""
    return Absence.NO_ANSWER if isinstance(error, TimeoutError) else Absence.UNREACHABLE


def lost_connection(error: SQLAlchemyError) -> bool:
    """Whether the server went away, refused us or is starting, rather than disliked the query."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or type(error.orig).__name__ == "OperationalError"
    # Class 08: connection; 53: resources; 57P: operator intervention (shutdown, starting up).
    return bool(state.startswith(("08", "53", "57P")))


def contended(error: DBAPIError) -> bool:
    """Whether two transactions waited for each other (40P01), or could not be put in an order
    (40001), and this one was chosen to end."""
    return getattr(error.orig, "sqlstate", None) in ("40P01", "40001")


def unstorable(error: DBAPIError) -> bool:
    """Whether a value was refused for what it is, by the server or by the driver, which sends no
    text with a NUL in it."""
    state = getattr(error.orig, "sqlstate", None)
    return state in _UNSTORABLE or (state is None and isinstance(error, DataError))
