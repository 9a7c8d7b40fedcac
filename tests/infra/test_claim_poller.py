"""The loop over claimed rows: work that fails is recorded, whatever fails, and blocks no other."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import DateTime, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from infra.claim_poller import ClaimPoller
from infra.clock import SystemClock
from infra.database.database import Database, DatabaseUnavailable
from infra.work_queue import OwnedQueue, RetryPolicy, release_claim

NOW = datetime(2026, 10, 1, tzinfo=UTC)
PROCESS = uuid4()
BACK_OFF = timedelta(seconds=2)


class Tables(DeclarativeBase):
    """Metadata of the table of these tests."""


class Job(Tables):
    __tablename__ = "claim_poller_test_job"

    id: Mapped[int] = mapped_column(primary_key=True)
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    process_id: Mapped[UUID | None]
    done: Mapped[bool] = mapped_column(default=False)


QUEUE = OwnedQueue(
    table=Job,
    id=Job.id,
    attempts=Job.attempts,
    pending=Job.done.is_(False),
    order=(Job.id,),
    retry=RetryPolicy(BACK_OFF, timedelta(minutes=1), max_attempts=3),
    owner=Job.process_id,
    lost_owners=select(Job.process_id).where(Job.done),
    retry_at=Job.retry_at,
)


class StoppedClock(SystemClock):
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


class Jobs(ClaimPoller[Job]):
    """Jobs, of which some make PostgreSQL raise an error; `on_failed` is called for each."""

    def __init__(self, database: Database, clock: StoppedClock, faulty: set[int]) -> None:
        owner = SimpleNamespace(process_id=PROCESS, is_alive=True)
        super().__init__("jobs", QUEUE, database, owner, clock)
        self.faulty = faulty
        self.errors: list[Exception] = []
        self.on_failed: Callable[[], None] = lambda: None

    async def step(self) -> bool:
        return await self._handle_next()

    async def _claim(self, session: AsyncSession, process_id: UUID) -> Job | None:
        return await QUEUE.claim(session, self._clock.now(), process_id)

    async def _work(self, row: Job) -> None:
        async with self._database.transaction() as session:
            held = await QUEUE.lock_claimed(session, row.id, PROCESS)
            assert held is not None
            if row.id in self.faulty:
                await session.execute(text("select cast('{\"rmse\": Infinity}' as jsonb)"))
            held.done = True

    async def _interrupted(self, row: Job) -> None:
        pytest.fail(f"no test interrupts job {row.id}")

    async def _failed(self, row: Job, error: Exception) -> None:
        self.errors.append(error)
        self.on_failed()
        async with self._database.transaction() as session:
            held = await QUEUE.lock_claimed(session, row.id, PROCESS)
            assert held is not None
            if QUEUE.retry.gives_up_after(held.attempts):
                held.done = True
            release_claim(held, QUEUE.retry, self._clock.now())


@pytest.fixture
async def queued(working: Database) -> AsyncIterator[Database]:
    """A database with two jobs, the first one faulty."""
    async with working.transaction() as session:
        await (await session.connection()).run_sync(Tables.metadata.create_all)
        session.add_all([Job(id=1), Job(id=2)])
    yield working
    async with working.transaction() as session:
        await (await session.connection()).run_sync(Tables.metadata.drop_all)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def jobs(queued: Database, clock: StoppedClock) -> Jobs:
    return Jobs(queued, clock, faulty={1})


async def read(database: Database, job_id: int) -> Job:
    async with database.transaction() as session:
        return await session.get_one(Job, job_id)


async def test_work_that_fails_for_its_sql_is_recorded_and_the_next_row_is_worked_on(
    queued: Database, jobs: Jobs
) -> None:
    assert [await jobs.step() for _ in range(3)] == [True, True, False]
    assert len(jobs.errors) == 1
    failed = await read(queued, 1)
    assert (failed.process_id, failed.retry_at) == (None, NOW + BACK_OFF)
    assert (await read(queued, 2)).done


async def test_work_whose_sql_always_fails_ends_with_its_last_attempt(
    queued: Database, clock: StoppedClock, jobs: Jobs
) -> None:
    for _ in range(5):
        await jobs.step()
        await jobs.step()
        clock.at += timedelta(minutes=1)
    failed = await read(queued, 1)
    assert (failed.attempts, failed.done) == (3, True)


async def test_failure_that_cannot_be_recorded_releases_the_row_for_later(
    queued: Database, jobs: Jobs
) -> None:
    def refuse() -> None:
        raise ProgrammingError("insert", None, Exception("no such table"))

    jobs.on_failed = refuse
    with pytest.raises(ProgrammingError):
        await jobs.step()
    failed = await read(queued, 1)
    assert (failed.process_id, failed.retry_at) == (None, NOW + BACK_OFF)
    await jobs.step()
    assert (await read(queued, 2)).done


async def test_failure_while_the_database_is_away_leaves_the_row_to_the_process(
    queued: Database, jobs: Jobs
) -> None:
    def lose() -> None:
        raise DatabaseUnavailable

    jobs.on_failed = lose
    with pytest.raises(DatabaseUnavailable):
        await jobs.step()
    failed = await read(queued, 1)
    assert (failed.process_id, failed.retry_at) == (PROCESS, None)
