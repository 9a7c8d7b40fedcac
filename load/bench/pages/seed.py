"""Copy the calls of the example firms (`maas demo`) many times.

Copies keep their call's price but not its allowances, which were not leased for them.
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


def copy_calls(url: str, rows: int, batch: int = 500_000) -> int:
    """Copy the calls of the last 30 days until there are about `rows`. Returns their number."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "select request_id from usage where started_at > now() - interval '30 days'"
        ).fetchall()
        of = [row[0] for row in found]
        names = connection.execute(
            "select column_name from information_schema.columns where table_name = 'usage'"
        ).fetchall()
        kept = [sql.Identifier(name) for (name,) in names if name not in _LEFT]
        query = _COPY.format(
            columns=sql.SQL(", ").join(kept),
            values=sql.SQL(", ").join(sql.SQL("u.{}").format(one) for one in kept),
        )
        # Without foreign key checks, which the query satisfies.
        connection.execute("set session_replication_role = replica")
        for left in range(rows, 0, -batch):
            times = max(1, min(batch, left) // len(of))
            connection.execute(query, {"times": times, "of": of})
        connection.execute("analyze")
        row = connection.execute("select count(*) from usage").fetchone()
        return int(row[0]) if row else 0


def wait_until_aggregated(
    url: str, environment: Mapping[str, str], patience_s: float = 1800
) -> float:
    """Run a worker until all calls are aggregated. Returns the seconds. Raises TimeoutError."""
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


def calls_of_largest_account(url: str) -> int:
    """Return the number of calls of the account with the most."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select sum(calls) from usage_total group by account_id order by 1 desc limit 1"
        ).fetchone()
    return int(row[0]) if row else 0
