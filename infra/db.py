"""The database: one engine for a process, and the only place that commits.

Owns connections and transactions. Does not own tables (billing/tables.py), starting PostgreSQL
(infra/postgres.py) or migrating it (infra/migrate.py).
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from infra.errors import AppError
from infra.settings import SettingsInvalid


class DatabaseUnavailable(AppError):
    """PostgreSQL cannot be reached or does not answer; nothing was changed."""

    status = 503
    code = "database_unavailable"

    def __init__(self) -> None:
        super().__init__("The service cannot reach its records just now. Please try again shortly.")


class Database:
    """A pool of connections. Build one a process, `close` it at the end."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        # A dead link must show within seconds: revoked keys are found by asking the database.
        self._engine = create_async_engine(
            driver_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "connect_timeout": 5,
                "options": "-c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000"
                " -c timezone=UTC",
                "application_name": "maas",
            },
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One unit of work: committed at the end, rolled back on any error.

        Raises DatabaseUnavailable where the connection, not the statement, is at fault.
        """
        with _availability():
            async with self._sessions() as session, session.begin():
                yield session

    async def close(self) -> None:
        await self._engine.dispose()


@contextmanager
def _availability() -> Iterator[None]:
    try:
        yield
    except (PoolTimeout, OSError) as error:
        raise DatabaseUnavailable from error
    except DBAPIError as error:
        if lost_connection(error):
            raise DatabaseUnavailable from error
        raise


def lost_connection(error: SQLAlchemyError) -> bool:
    """Whether the server went away, refused us or is starting, rather than disliked the query."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or type(error.orig).__name__ == "OperationalError"
    # Class 08: connection; 53: resources; 57P: operator intervention (shutdown, starting up).
    return bool(state.startswith(("08", "53", "57P")))


def driver_url(url: str) -> str:
    """The same URL with psycopg 3 as the driver. Raises SettingsInvalid for another database."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsInvalid("MAAS_DATABASE_URL is no database URL.") from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise SettingsInvalid("MAAS_DATABASE_URL must name a PostgreSQL database.")
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
