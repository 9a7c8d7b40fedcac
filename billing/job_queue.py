"""The job queue: what waits, runs and failed of the work that falls due by itself.

Reads procrastinate's tables, and has a failed job run once more by its own function. Why a job
failed is in the worker's log alone. For operators.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from infra.clock import Clock

_TASKS = """
    select n.task_name,
           count(j.id) filter (where j.status = 'todo'),
           count(j.id) filter (where j.status = 'doing'),
           count(j.id) filter (where j.status = 'failed'),
           (
               select to_timestamp(max(d.defer_timestamp)) from jobs.procrastinate_periodic_defers d
               where d.task_name = n.task_name
           )
    from (
        select task_name from jobs.procrastinate_jobs
        union select task_name from jobs.procrastinate_periodic_defers
    ) n
    left join jobs.procrastinate_jobs j on j.task_name = n.task_name
    group by 1 order by 1
"""
_FAILED = """
    select j.id, j.task_name, j.attempts, e.at,
           exists (
               select from jobs.procrastinate_jobs w
               where w.status = 'todo' and w.queueing_lock = j.queueing_lock
           )
    from jobs.procrastinate_jobs j
    left join lateral (
        select max(at) as at from jobs.procrastinate_events where job_id = j.id and type = 'failed'
    ) e on true
    where j.status = 'failed'
    order by j.id desc limit :limit
"""
# A worker tells every ten seconds that it is there.
_WORKERS = """
    select count(*) from jobs.procrastinate_workers
    where last_heartbeat > now() - interval '30 seconds'
"""
# Its functions name their tables without the schema.
_PLACE = "set local search_path = jobs, public"
_RETRY = "select procrastinate_retry_job_v2(:id, :at, null, null, null)"
_FAILED_ONE = """
    select task_name from procrastinate_jobs j
    where id = :id and status = 'failed' and not exists (
        select from procrastinate_jobs w where w.status = 'todo'
          and w.queueing_lock = j.queueing_lock
    )
    for update
"""


@dataclass(frozen=True, slots=True)
class TaskState:
    """How one kind of job stands; `ticked_at` is when it was last due."""

    name: str
    waiting: int
    running: int
    failed: int
    ticked_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that failed; where the next of its kind waits already, that does the same."""

    id: int
    task: str
    attempts: int
    failed_at: datetime | None
    followed: bool


async def task_states(session: AsyncSession) -> list[TaskState]:
    """Every kind of job that ever was due, by name."""
    return [TaskState(*row) for row in await session.execute(text(_TASKS))]


async def failed_jobs(session: AsyncSession, limit: int) -> list[FailedJob]:
    """The newest first."""
    return [FailedJob(*row) for row in await session.execute(text(_FAILED), {"limit": limit})]


async def running_workers(session: AsyncSession) -> int:
    """How many worker processes were heard of just now."""
    return int((await session.execute(text(_WORKERS))).scalar_one())


async def retry_job(session: AsyncSession, clock: Clock, job_id: int) -> str | None:
    """Have a failed job run once more; gives its kind. None where it has not failed, or the next
    of its kind waits already: then nothing is changed."""
    await session.execute(text(_PLACE))
    task = (await session.execute(text(_FAILED_ONE), {"id": job_id})).scalar_one_or_none()
    if task is not None:
        await session.execute(text(_RETRY), {"id": job_id, "at": clock.now()})
    return task
