"""Checks at the end of a soak test, made directly in the database: calls, webhooks and jobs."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

# Events interrupted by PostgreSQL's restart are retried after the inbox's lease of five minutes.
_WAIT_S = 360.0
_ANSWERED = "create temporary table answered (request_id uuid not null)"
_COMPARED = """
    select count(*), count(distinct a.request_id), count(u.request_id),
           count(*) filter (where u.settlement is distinct from 'complete')
    from answered a left join usage u using (request_id)
"""
_WEBHOOKS = """
    select count(*), count(*) filter (where handled_at is not null)
    from inbox where id like 'evt_soak%'
"""
_TICKS = """
    select task_name, to_timestamp(max(defer_timestamp))
    from jobs.procrastinate_periodic_defers group by task_name order by task_name
"""
_FAILED_JOBS = "select count(*) from jobs.procrastinate_jobs where status = 'failed'"


@dataclass(frozen=True, slots=True)
class RecordedCalls:
    """The calls that clients got complete answers to, and their usage rows."""

    answered: int
    distinct: int
    recorded: int
    otherwise_settled: int
    rows: int

    @property
    def all_recorded_once(self) -> bool:
        """Return whether each call has its usage row; a row's id is the call's, so none has two."""
        same = self.answered == self.distinct == self.recorded
        return same and self.otherwise_settled == 0


@dataclass(frozen=True, slots=True)
class WebhookCounts:
    """Numbers of stored and of handled webhooks."""

    stored: int
    handled: int


@dataclass(frozen=True, slots=True)
class WorkerJobs:
    """The last scheduled time of each of the worker's jobs, and the number of failed ones."""

    last: dict[str, str]
    failed: int


async def recorded(url: str, answers: Path) -> RecordedCalls:
    """Compare the request ids in the clients' file with the usage rows."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(_ANSWERED)
        async with connection.cursor() as cursor:
            async with cursor.copy("copy answered from stdin") as copy:
                with answers.open("rb") as file:
                    while chunk := file.read(1 << 16):
                        await copy.write(chunk)
        answered, distinct, found, otherwise = await _row(connection, _COMPARED)
        (rows,) = await _row(connection, "select count(*) from usage")
    return RecordedCalls(answered, distinct, found, otherwise, rows)


async def wait_for_webhooks(url: str, expected: int) -> WebhookCounts:
    """Wait until `expected` webhooks are handled, for at most six minutes, and count them."""
    deadline = time.monotonic() + _WAIT_S
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while True:
            found = WebhookCounts(*await _row(connection, _WEBHOOKS))
            if found.handled >= expected or time.monotonic() > deadline:
                return found
            await asyncio.sleep(1.0)


async def read_worker_jobs(url: str) -> WorkerJobs:
    """Return the worker's jobs from the job queue's tables."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        ticks = await (await connection.execute(_TICKS)).fetchall()
        (failed,) = await _row(connection, _FAILED_JOBS)
    return WorkerJobs({name: f"{at:%H:%M:%S}" for name, at in ticks}, failed)


async def _row(connection: psycopg.AsyncConnection[Any], query: str) -> tuple[Any, ...]:
    row = await (await connection.execute(query)).fetchone()
    return row or ()
