"""Lines of batches as rows: insert, read the ones to send, store results, count attempts.

A line is done when its result is stored: in one transaction with the batch's counts, and only if
the line had none. The output and error files are made of the results.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.holds import read_spent
from gateway.batches.input_file import InputLine
from gateway.tables import Batch, BatchLine, BatchStatus, LineOutcome

_INSERT = text(
    """
    insert into batch_line (batch_id, account_id, position, custom_id, body, attempts)
    select :batch, :account, :first + n.number - 1, n.custom_id, n.body, 0
    from unnest(cast(:custom_ids as text[]), cast(:bodies as bytea[]))
        with ordinality as n(custom_id, body, number)
    """
)
_STORE = text(
    """
    update batch_line l set outcome = r.outcome, result = r.result
    from unnest(
        cast(:positions as int[]), cast(:outcomes as text[]), cast(:results as bytea[])
    ) as r(position, outcome, result)
    where l.batch_id = :batch and l.account_id = :account and l.position = r.position
      and l.outcome is null
    returning l.position
    """
)


@dataclass(frozen=True, slots=True)
class PendingLine:
    """A line that is still to be sent; `attempts` counts the errors of the platform so far."""

    position: int
    custom_id: str
    body: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """The tokens that a line's response reports, in OpenAI's terms."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class LineResult:
    """The end of a line: its outcome, its line in the output or error file, and its tokens."""

    position: int
    outcome: LineOutcome
    text: bytes
    usage: TokenUsage = field(default_factory=TokenUsage)


async def insert_lines(
    session: AsyncSession, batch: Batch, first: int, lines: Sequence[InputLine]
) -> None:
    """Insert consecutive lines of a batch, the first at the position `first`."""
    await session.execute(
        _INSERT,
        {
            "batch": batch.id,
            "account": batch.account_id,
            "first": first,
            "custom_ids": [line.custom_id for line in lines],
            "bodies": [line.body for line in lines],
        },
    )


async def list_pending(session: AsyncSession, batch: Batch, limit: int) -> list[PendingLine]:
    """Return lines without a result, in the order of the file; those that failed come last."""
    query = (
        select(BatchLine.position, BatchLine.custom_id, BatchLine.body, BatchLine.attempts)
        .where(
            col(BatchLine.batch_id) == batch.id,
            col(BatchLine.account_id) == batch.account_id,
            col(BatchLine.outcome).is_(None),
        )
        .order_by(col(BatchLine.attempts), col(BatchLine.position))
        .limit(limit)
    )
    return [PendingLine(*row) for row in (await session.execute(query)).all()]


async def store_results(session: AsyncSession, batch: Batch, results: Sequence[LineResult]) -> bool:
    """Store the results of lines and count them. Returns whether more lines may be sent.

    A line that has a result already, because another process took the batch over, keeps it.
    """
    stored = await session.execute(
        _STORE,
        {
            "batch": batch.id,
            "account": batch.account_id,
            "positions": [result.position for result in results],
            "outcomes": [result.outcome.value for result in results],
            "results": [result.text for result in results],
        },
    )
    positions = set(stored.scalars())
    new = [result for result in results if result.position in positions]
    return await _count(session, batch, new)


async def count_attempt(session: AsyncSession, batch: Batch, line: PendingLine) -> None:
    """Count a failed attempt of a line that is sent again."""
    await session.execute(
        update(BatchLine)
        .where(
            col(BatchLine.batch_id) == batch.id,
            col(BatchLine.account_id) == batch.account_id,
            col(BatchLine.position) == line.position,
            col(BatchLine.outcome).is_(None),
        )
        .values(attempts=line.attempts + 1)
        .execution_options(synchronize_session=False)
    )


async def _count(session: AsyncSession, batch: Batch, results: Sequence[LineResult]) -> bool:
    """Add results to the counts of the batch. Returns whether it is in progress."""
    completed = sum(result.outcome is LineOutcome.COMPLETED for result in results)
    spent_nano = await read_spent(session, batch.id)
    added = {
        "completed": completed,
        "failed": len(results) - completed,
        "input_tokens": sum(result.usage.input_tokens for result in results),
        "cached_tokens": sum(result.usage.cached_tokens for result in results),
        "output_tokens": sum(result.usage.output_tokens for result in results),
        "reasoning_tokens": sum(result.usage.reasoning_tokens for result in results),
        "output_bytes": sum(len(result.text) for result in results),
    }
    values = {name: getattr(Batch, name) + number for name, number in added.items()}
    if spent_nano is not None:
        values["spent_nano"] = spent_nano
    counted = await session.execute(
        update(Batch)
        .where(col(Batch.id) == batch.id, col(Batch.account_id) == batch.account_id)
        .values(values)
        .returning(col(Batch.status))
        .execution_options(synchronize_session=False)
    )
    return bool(counted.scalar_one_or_none() == BatchStatus.IN_PROGRESS)
