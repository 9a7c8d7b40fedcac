"""Test a pooled connection before it is used, and have the pool replace it if it is dead.

SQLAlchemy's `pool_pre_ping` executes a statement for each transaction, which takes a quarter of the
processor time of a transaction with one statement. A connection that the server closed has
something to read, the end of the stream at least, which a system call of microseconds shows. Only
a network that forgot an idle connection says nothing, so connections that were idle for longer are
tested with a statement.
"""

import select
from time import monotonic
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

# Far below the minutes after which routers and load balancers forget idle connections.
_MAX_SILENT_S = 20.0
_IDLE_SINCE = "idle_since"


def replace_dead_connections(engine: AsyncEngine, max_silent_s: float = _MAX_SILENT_S) -> None:
    """Test the connections of the engine's pool at each checkout.

    Connections that were idle for longer than `max_silent_s` seconds execute a statement.
    """
    dialect = engine.dialect

    def note_time(_connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info[_IDLE_SINCE] = monotonic()

    def check(connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        """Raise DisconnectionError, upon which the pool opens another connection."""
        idle_since = entry.info.get(_IDLE_SINCE)
        if idle_since is None:  # just opened
            return
        if _is_ended(connection):
            raise DisconnectionError("The server closed the connection.")
        if monotonic() - idle_since > max_silent_s:
            try:
                dialect.do_ping(connection)
            except dialect.loaded_dbapi.Error as error:
                raise DisconnectionError("The server does not answer.") from error

    event.listen(engine.sync_engine, "checkin", note_time)
    event.listen(engine.sync_engine, "checkout", check)


def _is_ended(connection: DBAPIConnection) -> bool:
    """Return whether an idle psycopg connection is closed, or the server sent something unasked:
    its last message or the end of the stream."""
    driver: Any = connection.driver_connection
    if driver.closed:
        return True
    poller = select.poll()
    poller.register(driver.fileno(), select.POLLIN)
    return bool(poller.poll(0))
