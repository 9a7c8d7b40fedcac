"""Lists and counts of outbox items and received collector events for operators.

Never returns payloads: they contain personal e-mails and links. Reads across accounts
(account_id).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_OUTBOX_STATE = """
    case when o.done_at is not null then 'done' when o.given_up_at is not null then 'failed'
         when o.last_error is not null then 'retrying' else 'waiting' end
"""
_INBOX_STATE = """
    case when i.handled_at is null and i.outcome is not null then 'retrying'
         when i.handled_at is null then 'waiting'
         when starts_with(i.outcome, 'refused') then 'failed' else 'done' end
"""
_COUNTS = """
    select {state}, count(*) from {table} group by 1
"""
_OUTBOX_ROWS = f"""
    select o.id, o.action, o.subject, {_OUTBOX_STATE}, o.attempts, o.created_at, o.due_at,
           coalesce(o.done_at, o.given_up_at), o.last_error, o.account_id, a.name
    from outbox o left join account a on a.id = o.account_id
    where (cast(:state as text) is null or {_OUTBOX_STATE} = :state)
      and (cast(:before as uuid) is null or o.id < :before)
    order by o.id desc limit :limit
"""  # noqa: S608  # put together of constants
_INBOX_ROWS = f"""
    select i.id, i.kind, {_INBOX_STATE}, i.attempts, i.received_at, i.due_at, i.handled_at,
           i.outcome
    from inbox i
    where (cast(:state as text) is null or {_INBOX_STATE} = :state)
      and (cast(:before as timestamptz) is null or (i.received_at, i.id) < (:before, :before_id))
    order by i.received_at desc, i.id desc limit :limit
"""  # noqa: S608  # put together of constants


class DeliveryState(StrEnum):
    """State of an outbox item or event: waiting, retrying after an error, failed, or done."""

    WAITING = "waiting"
    RETRYING = "retrying"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An outbox item with its delivery state."""

    id: UUID
    action: str
    subject: str
    progress: str
    attempts: int
    created_at: datetime
    due_at: datetime
    ended_at: datetime | None
    error: str | None
    account_id: UUID | None
    account_name: str | None


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A received collector event; `outcome` is the result or the reason why it waits."""

    id: str
    kind: str
    progress: str
    attempts: int
    received_at: datetime
    due_at: datetime
    handled_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class InboxCursor:
    """Pagination cursor: the event before which a page of events begins."""

    received_at: datetime
    id: str

    def __str__(self) -> str:
        return f"{self.received_at.isoformat()} {self.id}"

    @classmethod
    def from_event(cls, event: InboxEntry) -> "InboxCursor":
        """Return the cursor of the page after an event."""
        return cls(event.received_at, event.id)

    @classmethod
    def parse(cls, text: str) -> "InboxCursor | None":
        """Parse the text form of a cursor. Returns None if it is invalid."""
        timestamp_text, _, event_id = text.partition(" ")
        try:
            received_at = datetime.fromisoformat(timestamp_text)
        except ValueError:
            return None
        return cls(received_at, event_id) if received_at.tzinfo and "\x00" not in event_id else None


async def count_outbox(session: AsyncSession) -> dict[DeliveryState, int]:
    """Count the outbox items by state."""
    return await _count_by_state(session, _COUNTS.format(state=_OUTBOX_STATE, table="outbox o"))


async def count_inbox(session: AsyncSession) -> dict[DeliveryState, int]:
    """Count the received collector events by state."""
    return await _count_by_state(session, _COUNTS.format(state=_INBOX_STATE, table="inbox i"))


async def list_outbox(
    session: AsyncSession, progress: DeliveryState | None, limit: int, before: UUID | None = None
) -> list[OutboxEntry]:
    """List outbox items older than `before`, newest first, in the state `progress` if set."""
    values = {"state": progress and progress.value, "before": before, "limit": limit}
    return [OutboxEntry(*row) for row in await session.execute(text(_OUTBOX_ROWS), values)]


async def list_inbox(
    session: AsyncSession,
    progress: DeliveryState | None,
    limit: int,
    before: InboxCursor | None = None,
) -> list[InboxEntry]:
    """List received events older than `before`, newest first, in the state `progress` if set."""
    values = {
        "state": progress and progress.value,
        "before": before and before.received_at,
        "before_id": before and before.id,
        "limit": limit,
    }
    return [InboxEntry(*row) for row in await session.execute(text(_INBOX_ROWS), values)]


async def _count_by_state(session: AsyncSession, query: str) -> dict[DeliveryState, int]:
    """Run a counting query; return the count of every state, 0 where there is none."""
    counts = {name: int(count) for name, count in await session.execute(text(query))}
    return {progress: counts.get(progress.value, 0) for progress in DeliveryState}
