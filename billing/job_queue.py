"""State of the background job queue (procrastinate): task states, failed jobs, retries.

For operators. The error of a failed job is only in the worker's log.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from infra.clock import Clock

_TASK_STATES = """
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
_FAILED_JOBS = """
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
# Workers send a heartbeat every ten seconds.
_COUNT_WORKERS = """
    select count(*) from jobs.procrastinate_workers
    where last_heartbeat > now() - interval '30 seconds'
"""
# procrastinate's SQL functions use unqualified table names.
_SET_SEARCH_PATH = "set local search_path = jobs, public"
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
    """Job counts of one task by state; `ticked_at` is when the task was last due."""

    name: str
    waiting: int
    running: int
    failed: int
    ticked_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A failed job. `followed` is True if the next run of the same task is queued already."""

    id: int
    task: str
    attempts: int
    failed_at: datetime | None
    followed: bool


async def list_task_states(session: AsyncSession) -> list[TaskState]:
    """List the states of all tasks that were ever due, by name."""
    return [TaskState(*row) for row in await session.execute(text(_TASK_STATES))]


async def list_failed_jobs(session: AsyncSession, limit: int) -> list[FailedJob]:
    """List failed jobs, newest first."""
    return [FailedJob(*row) for row in await session.execute(text(_FAILED_JOBS), {"limit": limit})]


async def count_running_workers(session: AsyncSession) -> int:
    """Return the number of worker processes with a heartbeat in the last 30 seconds."""
    return int((await session.execute(text(_COUNT_WORKERS))).scalar_one())


async def retry_job(session: AsyncSession, clock: Clock, job_id: int) -> str | None:
    """Queue a failed job again. Returns its task name.

    Returns None, without any change, if the job has not failed or the next run is queued already.
    """
    await session.execute(text(_SET_SEARCH_PATH))
    task = (await session.execute(text(_FAILED_ONE), {"id": job_id})).scalar_one_or_none()
    if task is not None:
        await session.execute(text(_RETRY), {"id": job_id, "at": clock.now()})
    return task
