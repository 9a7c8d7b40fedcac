"""PostgreSQL connections with our timeouts, which are closed when a statement is cancelled.

The driver would first ask the server to cancel the statement, which takes ten more seconds if the
server is frozen or its host is gone.
"""

import os
import socket
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from infra.settings import SettingsInvalid

_OPTIONS = (
    "-c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000 -c timezone=UTC "
    # The server notices a closed connection within a second and ends its statement and locks.
    "-c client_connection_check_interval=1000"
)


class Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A psycopg connection that is shut down when a statement is cancelled."""

    async def cancel_safe(self, *, timeout: float = 0.0) -> None:  # noqa: ASYNC109  # the driver's
        """Shut the socket down; the driver calls this when a statement's task is cancelled."""
        with suppress(OSError), socket.socket(fileno=os.dup(self.fileno())) as ours:
            ours.shutdown(socket.SHUT_RDWR)


async def connect(url: str, *, autocommit: bool = False) -> Connection:
    """Open a connection; without `autocommit` statements run in transactions.

    Raises psycopg.Error, SettingsInvalid.
    """
    plain = make_url(driver_url(url)).set(drivername="postgresql")
    # A dead server must be noticed within seconds, because key revocations are read from it.
    conninfo = make_conninfo(
        plain.render_as_string(hide_password=False),
        connect_timeout=5,
        application_name="maas",
        options=_OPTIONS,
    )
    return await Connection.connect(conninfo, autocommit=autocommit)


def driver_url(url: str) -> str:
    """Return a PostgreSQL URL with psycopg 3 as driver. Raises SettingsInvalid for other URLs."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsInvalid("MAAS_DATABASE_URL is not a database URL.") from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise SettingsInvalid("MAAS_DATABASE_URL must be a PostgreSQL URL.")
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
