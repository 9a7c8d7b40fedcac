"""Comparisons as rows: create, claim by one gateway process, cancel, end, delete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.process_reaper import ENDED_PROCESSES
from gateway.call.errors import BadRequest
from gateway.tables import EvaluationStatus, ModelComparison
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of
from infra.errors import AppError
from infra.work_queue import OwnedQueue, RetryPolicy, release_claim

COMPARISON_ID_PREFIX = "evalcmp"
MAX_OPEN, MAX_STORED = 3, 200
_OPEN = (EvaluationStatus.QUEUED, EvaluationStatus.IN_PROGRESS)
# Comparisons of an account, oldest first. A claim lasts until the gateway process has ended.
QUEUE = OwnedQueue(
    table=ModelComparison,
    id=col(ModelComparison.id),
    attempts=col(ModelComparison.attempts),
    pending=col(ModelComparison.status).in_(_OPEN),
    order=(col(ModelComparison.id),),
    # About ten minutes in all; predictions that were made are kept and not billed again.
    retry=RetryPolicy(timedelta(seconds=2), timedelta(seconds=120), max_attempts=10),
    owner=col(ModelComparison.process_id),
    lost_owners=ENDED_PROCESSES,
    retry_at=col(ModelComparison.retry_at),
)


class ComparisonNotFound(AppError):
    """The account has no such comparison."""

    status = 404
    type = "invalid_request_error"
    code = "comparison_not_found"


class TooManyComparisons(BadRequest):
    """The account has reached the maximum number of open or stored comparisons."""

    status = 429
    type = "rate_limit_error"
    code = "too_many_comparisons"


class ComparisonOpen(BadRequest):
    """The comparison has not ended, so it cannot be deleted."""

    status = 409
    code = "comparison_open"


@dataclass(frozen=True, slots=True)
class NewComparison:
    """A new comparison of pinned models on a file, paid with the key `key_id`."""

    account_id: UUID
    key_id: UUID
    name: str
    models: Sequence[str]
    file_id: UUID
    options: Mapping[str, Any]
    rows: int
    max_cost_nano: int | None
    quoted_nano: int
    currency: str


async def create_comparison(
    session: AsyncSession, clock: Clock, new: NewComparison
) -> ModelComparison:
    """Insert a queued comparison. Raises TooManyComparisons."""
    await _require_room(session, new.account_id)
    row = ModelComparison(
        id=ids.new_id(),
        account_id=new.account_id,
        key_id=new.key_id,
        name=new.name,
        models=list(new.models),
        file_id=new.file_id,
        options=dict(new.options),
        rows=new.rows,
        max_cost_nano=new.max_cost_nano,
        quoted_nano=new.quoted_nano,
        currency=new.currency,
        status=EvaluationStatus.QUEUED,
        created_at=clock.now(),
    )
    session.add(row)
    await session.flush()
    return row


async def find_comparison(session: AsyncSession, account_id: UUID, name: str) -> ModelComparison:
    """Return one of the account's comparisons. Raises ComparisonNotFound."""
    query = select(ModelComparison).where(
        col(ModelComparison.id) == ids.parse_id(COMPARISON_ID_PREFIX, name),
        col(ModelComparison.account_id) == account_id,
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise ComparisonNotFound(f"The comparison {name[:60]!r} does not exist.")
    return row


async def list_comparisons(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None
) -> Sequence[ModelComparison]:
    """Return a page of the account's comparisons, newest first."""
    query = select(ModelComparison).where(col(ModelComparison.account_id) == account_id)
    return (await session.scalars(page_of(query, col(ModelComparison.id), limit, after))).all()


async def cancel_comparison(
    session: AsyncSession, clock: Clock, account_id: UUID, name: str
) -> ModelComparison:
    """Cancel a comparison; predictions that were sent are finished and billed.

    Does nothing if it has ended. Raises ComparisonNotFound.
    """
    row = await find_comparison(session, account_id, name)
    await session.refresh(row, with_for_update=True)
    if not EvaluationStatus(row.status).over:
        end(clock, row, EvaluationStatus.CANCELLED)
        await session.flush()
    return row


async def delete_comparison(session: AsyncSession, account_id: UUID, name: str) -> None:
    """Delete a comparison that has ended. Raises ComparisonNotFound, ComparisonOpen."""
    row = await find_comparison(session, account_id, name)
    await session.refresh(row, with_for_update=True)
    if not EvaluationStatus(row.status).over:
        raise ComparisonOpen("The comparison has not ended. Cancel it first.")
    await session.execute(
        delete(ModelComparison).where(
            col(ModelComparison.id) == row.id, col(ModelComparison.account_id) == account_id
        )
    )


async def claim_next(
    session: AsyncSession, clock: Clock, process_id: UUID
) -> ModelComparison | None:
    """Claim a random account's oldest comparison that is due. Returns None if there is none."""
    account, status = col(ModelComparison.account_id), EvaluationStatus.IN_PROGRESS
    return await QUEUE.claim_fairly(session, clock.now(), process_id, account, status=status)


async def lock_claimed(
    session: AsyncSession, row: ModelComparison, process_id: UUID
) -> ModelComparison | None:
    """Lock and return the row; None if it has ended or this process no longer holds it."""
    of_account: ColumnElement[bool] = col(ModelComparison.account_id) == row.account_id
    return await QUEUE.lock_claimed(session, row.id, process_id, of_account)


def release(clock: Clock, row: ModelComparison, delay_s: float) -> None:
    """Release the claim: due after `delay_s`, or the back-off if that is longer."""
    release_claim(row, QUEUE.retry, clock.now(), delay_s=delay_s)


def end(
    clock: Clock,
    row: ModelComparison,
    status: EvaluationStatus,
    error: Mapping[str, Any] | None = None,
) -> None:
    """End a comparison with a status, and an error object if it failed."""
    row.status, row.finished_at, row.process_id = status, clock.now(), None
    row.error = None if error is None else dict(error)


async def _require_room(session: AsyncSession, account_id: UUID) -> None:
    """Raise TooManyComparisons if the account has too many open or stored comparisons."""
    of_account = col(ModelComparison.account_id) == account_id
    is_open = col(ModelComparison.status).in_(_OPEN)
    query = select(func.count(), func.count().filter(is_open)).where(of_account)
    stored, open_count = (await session.execute(query)).one()
    if open_count >= MAX_OPEN:
        raise TooManyComparisons(f"{MAX_OPEN} comparisons of this account are already waiting.")
    if stored >= MAX_STORED:
        raise TooManyComparisons(
            f"An account can store at most {MAX_STORED} comparisons. Delete some of them."
        )
