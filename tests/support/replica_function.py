"""A function of a test database that is called again and again over one connection.

PostgreSQL looks up each table for a new connection, which takes seven times as long as the call.
The connection is a replica from its start: append-only tables refuse deletions by others, and
PostgreSQL forgets all plans of a session that becomes a replica later.
"""

from typing import Any

import psycopg
from sqlalchemy import make_url
from sqlalchemy.engine import URL


def connect_as_replica(url: str | URL) -> psycopg.Connection:
    """A connection without triggers and without transactions."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(plain, autocommit=True)
    connection.execute("set session_replication_role = replica")
    return connection


class ReplicaFunction:
    """`create` makes `pg_temp.NAME()`, which lives as long as its connection."""

    def __init__(self, url: str, name: str, create: Any) -> None:
        self._url = url
        self._call = f"select pg_temp.{name}()"
        self._create = create
        self._connection: psycopg.Connection | None = None

    def __call__(self) -> Any:
        """Call the function; returns its value."""
        try:
            return self._value()
        except psycopg.OperationalError:  # a test closed all connections of the server
            self.close()
            return self._value()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _value(self) -> Any:
        if self._connection is None:
            self._connection = connect_as_replica(self._url)
            self._connection.execute(self._create)
        row = self._connection.execute(self._call).fetchone()
        return None if row is None else row[0]
