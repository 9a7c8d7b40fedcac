"""Seeding: the example firms (`maas demo`), with each of their calls of a month many times.

Owns the rows, made by the database itself, and waiting until the product has counted them. Copies
keep their call's price, so that pages have something to add up; what they were covered by is left
out, as no allowance lent it.
"""

import subprocess
import sys
import time
from collections.abc import Mapping

import psycopg
from psycopg import sql

_LEFT = ("request_id", "started_at", "written_in", "covered")
_COPY = sql.SQL(
    """
    insert into usage (request_id, started_at, {columns})
    select gen_random_uuid(), u.started_at - random() * interval '50 minutes', {values}
    from usage u cross join generate_series(1, %(times)s)
    where u.request_id = any(%(of)s)
    """
)
_COUNTED = "select (select count(*) from usage), (select coalesce(sum(calls), 0) from usage_total)"


def multiply(url: str, rows: int, batch: int = 500_000) -> int:
    """Copies of the calls since 30 days, until there are about `rows`; gives how many there are."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "select request_id from usage where started_at > now() - interval '30 days'"
        ).fetchall()
        of = [row[0] for row in found]
        names = connection.execute(
            "select column_name from information_schema.columns where table_name = 'usage'"
        ).fetchall()
        kept = [sql.Identifier(name) for (name,) in names if name not in _LEFT]
        said = _COPY.format(
            columns=sql.SQL(", ").join(kept),
            values=sql.SQL(", ").join(sql.SQL("u.{}").format(one) for one in kept),
        )
        # Foreign keys are not looked up: they hold by how the rows are made.
        connection.execute("set session_replication_role = replica")
        for left in range(rows, 0, -batch):
            times = max(1, min(batch, left) // len(of))
            connection.execute(said, {"times": times, "of": of})
        connection.execute("analyze")
        row = connection.execute("select count(*) from usage").fetchone()
        return int(row[0]) if row else 0


def count(url: str, environment: Mapping[str, str], patience_s: float = 1800) -> float:
    """Let a worker count them all; gives the seconds that it took. Raises TimeoutError."""
    began = time.monotonic()
    worker = subprocess.Popen(
        [sys.executable, "-m", "gateway.worker"], env=dict(environment), stderr=subprocess.DEVNULL
    )
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            while time.monotonic() - began < patience_s:
                row = connection.execute(_COUNTED).fetchone()
                if row and row[0] == row[1]:
                    return time.monotonic() - began
                time.sleep(5)
    finally:
        worker.terminate()
        worker.wait(60)
    raise TimeoutError("the worker has not counted all calls")


def largest(url: str) -> int:
    """Calls of the account that has the most."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select sum(calls) from usage_total group by account_id order by 1 desc limit 1"
        ).fetchone()
    return int(row[0]) if row else 0
