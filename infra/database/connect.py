"""Connections to PostgreSQL, opened with our bounds and given up at once.

Owns how a connection is made and how a statement is abandoned: by ending the connection. To ask
the server first, as the driver does, keeps whoever gave up waiting for ten seconds more where the
server is frozen, or its host gone without a word.
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
    # What was abandoned must not go on for long, with its locks.
    "-c client_connection_check_interval=1000"
)


class Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """As the driver's own, but that a cancelled statement ends the connection."""

    async def cancel_safe(self, *, timeout: float = 0.0) -> None:  # noqa: ASYNC109  # the driver's
        """What the driver calls for a statement whose task was cancelled."""
        with suppress(OSError), socket.socket(fileno=os.dup(self.fileno())) as ours:
            ours.shutdown(socket.SHUT_RDWR)


async def connect(url: str, *, autocommit: bool = False) -> Connection:
    """A new connection. Raises psycopg.Error, SettingsInvalid."""
    plain = make_url(driver_url(url)).set(drivername="postgresql")
    # A dead link must show within seconds: revoked keys are found by asking the database.
    conninfo = make_conninfo(
        plain.render_as_string(hide_password=False),
        connect_timeout=5,
        application_name="maas",
        options=_OPTIONS,
    )
    return await Connection.connect(conninfo, autocommit=autocommit)


def driver_url(url: str) -> str:
    """The same URL with psycopg 3 as the driver. Raises SettingsInvalid for another database."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsInvalid("MAAS_DATABASE_URL is no database URL.") from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise SettingsInvalid("MAAS_DATABASE_URL must name a PostgreSQL database.")
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
