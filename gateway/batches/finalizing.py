"""End a batch: make its output and error files, return the rest of its hold, delete its lines.

All of it is one transaction, so a batch that has ended has its files, and its lines are either
there or in the files. The files are made inside the database, whatever their size.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.holds import end_hold, read_spent
from gateway.batches.batches import BATCH_ID_PREFIX, delete_lines, lock_claimed
from gateway.batches.input_file import FileProblem
from gateway.batches.line_text import line_id_prefix
from gateway.batches.notices import emit_batch_ended
from gateway.registry.files import BATCH_OUTPUT_PURPOSE
from gateway.tables import Batch, BatchStatus
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, allow_long_statements

_CREATE_FILE = """
    insert into training_file (id, account_id, filename, purpose, size, content, created_at)
    select :file, :account, :filename, :purpose, octet_length(f.content), f.content, :now
    from (
        select string_agg({line}, '\\x0a'::bytea order by position) || '\\x0a'::bytea as content
        from batch_line where batch_id = :batch and account_id = :account and {condition}
    ) f
    where f.content is not null
    returning id
"""
_OUTPUT_FILE = text(_CREATE_FILE.format(line="result", condition="outcome = 'completed'"))
# A line that was not sent has no response, and the reason as its error.
_UNSENT_LINE = """
    coalesce(result, convert_to(json_build_object(
        'id', cast(:line_id_prefix as text) || position, 'custom_id', custom_id, 'response', null,
        'error', json_build_object('code', cast(:code as text), 'message', cast(:message as text))
    )::text, 'UTF8'))
"""
_ERROR_FILE = text(
    _CREATE_FILE.format(line=_UNSENT_LINE, condition="outcome is distinct from 'completed'")
)


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """How a batch ends, and the error of its lines that were not sent."""

    status: BatchStatus
    code: str = ""
    message: str = ""


COMPLETED = BatchEnd(BatchStatus.COMPLETED)
EXPIRED = BatchEnd(
    BatchStatus.EXPIRED,
    "batch_expired",
    "This request could not be executed before the completion window expired.",
)
CANCELLED = BatchEnd(
    BatchStatus.CANCELLED,
    "batch_cancelled",
    "This request was not executed because the batch was cancelled.",
)
OUTPUT_TOO_LARGE = BatchEnd(
    BatchStatus.COMPLETED,
    "batch_output_too_large",
    "This request was not executed because the results of the batch are too large.",
)


async def finish(
    database: Database, clock: Clock, batch: Batch, process_id: UUID, end: BatchEnd
) -> bool:
    """End a batch that this process has claimed. Returns False if it no longer has the claim."""
    if end.status is BatchStatus.COMPLETED:
        async with database.transaction() as session:
            row = await lock_claimed(session, batch, process_id)
            if row is None:
                return False
            row.status = BatchStatus.FINALIZING
            row.finalizing_at = row.finalizing_at or clock.now()
    async with database.transaction() as session:
        await allow_long_statements(session)
        row = await lock_claimed(session, batch, process_id)
        if row is None:
            return False
        await _end(session, clock, row, end)
    return True


async def _end(session: AsyncSession, clock: Clock, row: Batch, end: BatchEnd) -> None:
    """Write the files, and set what the batch came to."""
    row.output_file_id = await _create_file(session, clock, row, "output", end)
    row.error_file_id = await _create_file(session, clock, row, "error", end)
    spent_nano = await read_spent(session, row.id)
    if spent_nano is not None:
        row.spent_nano = spent_nano
    if end.status is BatchStatus.FAILED:
        row.errors = [FileProblem(end.code, end.message).as_json()]
    row.status, row.finished_at, row.process_id = end.status, clock.now(), None
    await end_hold(session, row.id, clock.now())
    await delete_lines(session, row)
    await session.flush()
    await emit_batch_ended(session, clock, row, ids.format_id(BATCH_ID_PREFIX, row.id))


async def _create_file(
    session: AsyncSession, clock: Clock, row: Batch, kind: str, end: BatchEnd
) -> UUID | None:
    """Create the output or error file of a batch. Returns None if it would have no line."""
    name = ids.format_id(BATCH_ID_PREFIX, row.id)
    values: dict[str, Any] = {
        "file": ids.new_id(),
        "account": row.account_id,
        "batch": row.id,
        "filename": f"{name}_{kind}.jsonl",
        "purpose": BATCH_OUTPUT_PURPOSE,
        "now": clock.now(),
    }
    if kind == "output":
        created = await session.execute(_OUTPUT_FILE, values)
    else:
        error = {"code": end.code, "message": end.message}
        values = {**values, **error, "line_id_prefix": line_id_prefix(row)}
        created = await session.execute(_ERROR_FILE, values)
    file_id: UUID | None = created.scalar_one_or_none()
    return file_id
