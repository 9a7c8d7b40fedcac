"""What must be true at the end of a soak, asked of the database itself.

Owns these questions: whether each answered call has its one row, whether each webhook was kept and
handled, what the worker did. They go past the service, which might be wrong about itself.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

# What was being handled when PostgreSQL went away is taken again after the inbox's five minutes.
_WAIT_S = 360.0
_ANSWERED = "create temporary table answered (request_id uuid not null)"
_COMPARED = """
    select count(*), count(distinct a.request_id), count(u.request_id),
           count(*) filter (where u.settlement is distinct from 'complete')
    from answered a left join usage u using (request_id)
"""
_HOOKS = """
    select count(*), count(*) filter (where handled_at is not null)
    from inbox where id like 'evt_soak%'
"""
_TICKS = """
    select task_name, to_timestamp(max(defer_timestamp))
    from jobs.procrastinate_periodic_defers group by task_name order by task_name
"""
_FAILED_JOBS = "select count(*) from jobs.procrastinate_jobs where status = 'failed'"


@dataclass(frozen=True, slots=True)
class Recorded:
    """Answers that clients have whole, and their rows."""

    answered: int
    distinct: int
    recorded: int
    otherwise_settled: int
    rows: int

    @property
    def each_once(self) -> bool:
        """A row's id is its key, so that no call has two."""
        same = self.answered == self.distinct == self.recorded
        return same and self.otherwise_settled == 0


@dataclass(frozen=True, slots=True)
class Hooks:
    """Webhooks that were kept and handled."""

    kept: int
    handled: int


@dataclass(frozen=True, slots=True)
class Jobs:
    """When each of the worker's jobs was last due, and how many failed."""

    last: dict[str, str]
    failed: int


async def recorded(url: str, answers: Path) -> Recorded:
    """The ids in the file beside the usage rows."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(_ANSWERED)
        async with connection.cursor() as cursor:
            async with cursor.copy("copy answered from stdin") as copy:
                with answers.open("rb") as file:
                    while chunk := file.read(1 << 16):
                        await copy.write(chunk)
        answered, distinct, found, otherwise = await _row(connection, _COMPARED)
        (rows,) = await _row(connection, "select count(*) from usage")
    return Recorded(answered, distinct, found, otherwise, rows)


async def hooks_handled(url: str, expected: int) -> Hooks:
    """Once all are handled, or no longer than some minutes."""
    deadline = time.monotonic() + _WAIT_S
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while True:
            found = Hooks(*await _row(connection, _HOOKS))
            if found.handled >= expected or time.monotonic() > deadline:
                return found
            await asyncio.sleep(1.0)


async def jobs_done(url: str) -> Jobs:
    """What the worker was given to do, by its own book."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        ticks = await (await connection.execute(_TICKS)).fetchall()
        (failed,) = await _row(connection, _FAILED_JOBS)
    return Jobs({name: f"{at:%H:%M:%S}" for name, at in ticks}, failed)


async def _row(connection: psycopg.AsyncConnection[Any], query: str) -> tuple[Any, ...]:
    row = await (await connection.execute(query)).fetchone()
    return row or ()
