"""The kept events of streamed background responses, as rows: append, find attempts, read on."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from gateway.responses.attempts import AttemptSpan
from gateway.tables import ResponseEvents, SavedResponse
from gateway.wire.responses.output import ResponseStatus

# Read at once: about a megabyte of events.
_MAX_ROWS = 16


@dataclass(frozen=True, slots=True)
class EventRow:
    """Consecutive events of an attempt by their numbers, encrypted."""

    attempt: int
    first: int
    last: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class LogReading:
    """A response's status, None if it was deleted, and its next events in order."""

    status: str | None
    rows: Sequence[EventRow] = ()


async def append_events(
    session: AsyncSession, account_id: UUID, response_id: UUID, process_id: UUID, row: EventRow
) -> bool:
    """Append events of a response that this process answers, in one statement.

    The same events that were appended before are not appended again. Returns False if the response
    was cancelled or deleted, or if another process answers it.
    """
    columns = {
        col(ResponseEvents.response_id): col(SavedResponse.id),
        col(ResponseEvents.account_id): col(SavedResponse.account_id),
        col(ResponseEvents.first_number): literal(row.first),
        col(ResponseEvents.last_number): literal(row.last),
        col(ResponseEvents.attempt): literal(row.attempt),
        col(ResponseEvents.events): literal(row.sealed),
    }
    answered = select(*columns.values()).where(
        col(SavedResponse.id) == response_id,
        col(SavedResponse.account_id) == account_id,
        col(SavedResponse.process_id) == process_id,
        col(SavedResponse.status) == ResponseStatus.IN_PROGRESS.value,
    )
    statement = insert(ResponseEvents).from_select(list(columns), answered)
    # The update changes nothing; it returns a row that is there since a commit whose result was
    # lost. Other events with these numbers stay, and the response gets no more of this process.
    new = statement.excluded
    same = statement.on_conflict_do_update(
        index_elements=["response_id", "first_number"],
        set_={"attempt": new.attempt},
        where=(col(ResponseEvents.attempt) == new.attempt)
        & (col(ResponseEvents.last_number) == new.last_number),
    )
    added = await session.execute(same.returning(col(ResponseEvents.first_number)))
    return added.scalar_one_or_none() is not None


async def list_attempts(
    session: AsyncSession, account_id: UUID, response_id: UUID
) -> tuple[AttemptSpan, ...]:
    """Return the attempts of a response that have events, in order."""
    first = func.min(col(ResponseEvents.first_number))
    query = (
        select(col(ResponseEvents.attempt), first, func.max(col(ResponseEvents.last_number)))
        .where(
            col(ResponseEvents.response_id) == response_id,
            col(ResponseEvents.account_id) == account_id,
        )
        .group_by(col(ResponseEvents.attempt))
        .order_by(first)
    )
    return tuple(AttemptSpan(*row) for row in await session.execute(query))


async def read_events(
    session: AsyncSession, account_id: UUID, response_id: UUID, after: int
) -> LogReading:
    """Return a response's status and its next events after a number, in one statement."""
    is_next = (
        (col(ResponseEvents.response_id) == col(SavedResponse.id))
        & (col(ResponseEvents.account_id) == account_id)
        & (col(ResponseEvents.last_number) > after)
    )
    query = (
        select(
            col(SavedResponse.status),
            col(ResponseEvents.attempt),
            col(ResponseEvents.first_number),
            col(ResponseEvents.last_number),
            col(ResponseEvents.events),
        )
        .outerjoin(ResponseEvents, is_next)
        .where(col(SavedResponse.id) == response_id, col(SavedResponse.account_id) == account_id)
        .order_by(col(ResponseEvents.first_number))
        .limit(_MAX_ROWS)
    )
    found = (await session.execute(query)).all()
    if not found:
        return LogReading(None)
    return LogReading(found[0][0], [EventRow(*row[1:]) for row in found if row[1] is not None])
