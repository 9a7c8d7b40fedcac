"""How long a batch will take, from how long the account's latest calls of the model took."""

from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import Settlement, Usage
from gateway.call.values import Operation
from gateway.tables import OPEN_BATCH_STATUSES, Batch

# Lines of a batch that are sent at the same time.
CONCURRENCY = 8
_MEASURED_CALLS = 200
# Fewer calls say too little to refuse a batch because of them.
_MIN_CALLS = 20


async def estimate_seconds(
    session: AsyncSession, account_id: UUID, operation: Operation, model: str, lines: int
) -> int | None:
    """Return the expected duration of a batch of so many lines in seconds.

    The lines that wait in the account's other batches come first. Returns None if the account has
    too few calls of the model to tell.
    """
    calls = (
        select(Usage.duration_us)
        .where(
            col(Usage.account_id) == account_id,
            col(Usage.model) == model,
            col(Usage.operation) == operation.value,
            col(Usage.settlement) == Settlement.COMPLETE.value,
            col(Usage.streamed).is_(False),
        )
        .order_by(col(Usage.started_at).desc())
        .limit(_MEASURED_CALLS)
        .subquery()
    )
    query = select(func.count(), func.avg(calls.c.duration_us)).select_from(calls)
    count, mean_us = (await session.execute(query)).one()
    if count < _MIN_CALLS:
        return None
    waiting = await count_waiting_lines(session, account_id)
    return round((lines + waiting) * float(mean_us) / 1e6 / CONCURRENCY)


async def count_waiting_lines(session: AsyncSession, account_id: UUID) -> int:
    """Return the lines of the account's open batches that have not been answered."""
    left = func.sum(col(Batch.total) - col(Batch.completed) - col(Batch.failed))
    query = select(func.coalesce(left, 0)).where(
        col(Batch.account_id) == account_id, col(Batch.status).in_(OPEN_BATCH_STATUSES)
    )
    return int((await session.execute(query)).scalar_one())
