"""Evaluation runs as rows: claim by one gateway process, cancel, continue, end, delete.

gateway/evaluations/new_runs.py creates them.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.process_reaper import ENDED_PROCESSES
from gateway.evaluations.errors import (
    EvaluationRunAlreadyEnded,
    EvaluationRunNotFound,
    EvaluationRunOpen,
    TooManyEvaluationRuns,
)
from gateway.evaluations.notices import emit_run_ended
from gateway.tables import (
    EvaluationRun,
    EvaluationStatus,
)
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of
from infra.work_queue import OwnedQueue, RetryPolicy, release_claim

RUN_ID_PREFIX = "evalrun"
# Open runs wait for each other; stored ones take space until they are deleted.
MAX_OPEN_RUNS, MAX_RUNS = 5, 200
_OPEN_STATUSES = (EvaluationStatus.QUEUED, EvaluationStatus.IN_PROGRESS)
# Runs of all accounts. A claim lasts until the run is released or the gateway process has ended.
QUEUE = OwnedQueue(
    table=EvaluationRun,
    id=col(EvaluationRun.id),
    attempts=col(EvaluationRun.attempts),
    pending=col(EvaluationRun.status).in_(_OPEN_STATUSES),
    order=(col(EvaluationRun.id),),
    # Attempts without progress: 2 + 4 + … + 300 + 300 … seconds, about twenty minutes in all.
    retry=RetryPolicy(timedelta(seconds=2), timedelta(seconds=300), max_attempts=12),
    owner=col(EvaluationRun.process_id),
    lost_owners=ENDED_PROCESSES,
    retry_at=col(EvaluationRun.retry_at),
)


async def find_run(session: AsyncSession, account_id: UUID, run_id: str) -> EvaluationRun:
    """Return one of the account's runs. Raises EvaluationRunNotFound."""
    query = select(EvaluationRun).where(
        col(EvaluationRun.id) == ids.parse_id(RUN_ID_PREFIX, run_id),
        col(EvaluationRun.account_id) == account_id,
    )
    run = (await session.scalars(query)).one_or_none()
    if run is None:
        raise EvaluationRunNotFound(f"The run {run_id[:60]!r} does not exist.", param="run")
    return run


async def list_runs(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None
) -> Sequence[EvaluationRun]:
    """Return a page of the account's runs, newest first."""
    query = select(EvaluationRun).where(col(EvaluationRun.account_id) == account_id)
    return (await session.scalars(page_of(query, col(EvaluationRun.id), limit, after))).all()


async def cancel_run(
    session: AsyncSession, clock: Clock, account_id: UUID, run_id: str
) -> EvaluationRun:
    """Cancel a run; calls that were sent are finished, billed and stored.

    Raises EvaluationRunNotFound, EvaluationRunAlreadyEnded.
    """
    run = await find_run(session, account_id, run_id)
    await session.refresh(run, with_for_update=True)
    if EvaluationStatus(run.status).over:
        raise EvaluationRunAlreadyEnded(f"The run has already ended: {run.status}.")
    await _end(session, clock, run, EvaluationStatus.CANCELLED, None)
    return run


async def resume_run(
    session: AsyncSession, account_id: UUID, run_id: str, max_cost_nano: int | None = None
) -> EvaluationRun:
    """Queue a run again whose questions were not all answered; answers that it has are kept.

    `max_cost_nano` replaces the limit of the whole run's cost; None keeps it. Raises
    EvaluationRunNotFound, EvaluationRunOpen, EvaluationRunAlreadyEnded, TooManyEvaluationRuns.
    """
    run = await find_run(session, account_id, run_id)
    await session.refresh(run, with_for_update=True)
    if not EvaluationStatus(run.status).over:
        raise EvaluationRunOpen("The run has not ended, so there is nothing to continue.")
    if run.status == EvaluationStatus.COMPLETED:
        raise EvaluationRunAlreadyEnded("All questions of the run were answered.")
    await require_place_for_open_run(session, account_id)
    run.status, run.error, run.finished_at = EvaluationStatus.QUEUED, None, None
    run.process_id, run.attempts, run.retry_at = None, 0, None
    if max_cost_nano is not None:
        run.max_cost_nano = max_cost_nano
    await session.flush()
    return run


async def delete_run(session: AsyncSession, account_id: UUID, run_id: str) -> None:
    """Delete a run that has ended, with its questions and answers.

    Raises EvaluationRunNotFound, EvaluationRunOpen.
    """
    run = await find_run(session, account_id, run_id)
    await session.refresh(run, with_for_update=True)
    if not EvaluationStatus(run.status).over:
        raise EvaluationRunOpen("The run has not ended. Cancel it first.")
    await session.execute(
        delete(EvaluationRun).where(
            col(EvaluationRun.id) == run.id, col(EvaluationRun.account_id) == account_id
        )
    )


async def claim_next(session: AsyncSession, clock: Clock, process_id: UUID) -> EvaluationRun | None:
    """Claim the oldest due run of a random account. Returns None if no run is due.

    A process holds no run when it asks; a row with its own process id is one that it failed to
    release.
    """
    account = col(EvaluationRun.account_id)
    return await QUEUE.claim_fairly(
        session, clock.now(), process_id, account, status=EvaluationStatus.IN_PROGRESS
    )


async def lock_claimed(
    session: AsyncSession, run: EvaluationRun, process_id: UUID
) -> EvaluationRun | None:
    """Lock and return the run's row; None if it has ended or this process no longer holds it."""
    of_account: ColumnElement[bool] = col(EvaluationRun.account_id) == run.account_id
    return await QUEUE.lock_claimed(session, run.id, process_id, of_account)


async def is_open(session: AsyncSession, run: EvaluationRun) -> bool:
    """Return whether the run still exists and has not ended."""
    query = select(col(EvaluationRun.id)).where(
        col(EvaluationRun.id) == run.id,
        col(EvaluationRun.account_id) == run.account_id,
        QUEUE.pending,
    )
    return (await session.scalars(query)).one_or_none() is not None


def release(clock: Clock, row: EvaluationRun, made_progress: bool, delay_s: float = 0.0) -> None:
    """Release the claim on a run: due after `delay_s`, and without progress after the back-off."""
    release_claim(row, QUEUE.retry, clock.now(), made_progress, delay_s)


async def complete(session: AsyncSession, clock: Clock, row: EvaluationRun) -> None:
    """Mark a run as completed: all questions were answered or failed."""
    await _end(session, clock, row, EvaluationStatus.COMPLETED, None)


async def stop(
    session: AsyncSession,
    clock: Clock,
    row: EvaluationRun,
    status: EvaluationStatus,
    code: str,
    message: str,
) -> None:
    """End a run before all questions were answered, with the reason."""
    await _end(session, clock, row, status, {"code": code, "message": message})


async def _end(
    session: AsyncSession,
    clock: Clock,
    row: EvaluationRun,
    status: EvaluationStatus,
    error: dict[str, Any] | None,
) -> None:
    """Set a run's final status, release its claim and emit the event."""
    row.status, row.error, row.finished_at = status, error, clock.now()
    row.process_id = None
    await session.flush()
    await emit_run_ended(session, clock, row, ids.format_id(RUN_ID_PREFIX, row.id))


async def require_place_for_open_run(session: AsyncSession, account_id: UUID) -> None:
    """Raise TooManyEvaluationRuns if the account has too many open runs."""
    query = select(func.count()).where(
        col(EvaluationRun.account_id) == account_id, col(EvaluationRun.status).in_(_OPEN_STATUSES)
    )
    if (await session.execute(query)).scalar_one() >= MAX_OPEN_RUNS:
        raise TooManyEvaluationRuns(
            f"{MAX_OPEN_RUNS} runs of this account are already waiting or running. Try again when "
            "one of them has ended."
        )
