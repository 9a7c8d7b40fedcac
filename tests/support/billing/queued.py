"""Puts jobs into procrastinate's queue, in any state."""

from sqlalchemy import text

from infra.database.database import Database

_JOB = """
    insert into procrastinate_jobs (id, queue_name, task_name, lock, queueing_lock, status)
    values (:id, 'default', :task, :lock, :lock, cast(:status as procrastinate_job_status))
"""


async def put_job(database: Database, number: int, task: str, status: str) -> None:
    """Insert a job; procrastinate's triggers name their tables without the schema."""
    values = {"id": number, "task": task, "lock": task, "status": status}
    async with database.transaction() as session:
        await session.execute(text("set local search_path = jobs, public"))
        await session.execute(text(_JOB), values)
