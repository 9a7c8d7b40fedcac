"""Deliveries: what goes out by the outbox and came in from Stripe, as operators look after it.

Never a payload: mails and links are people's own. For operators: it looks across accounts
(account_id).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_ITEM_STATES = """
    case when o.done_at is not null then 'done' when o.given_up_at is not null then 'failed'
         when o.last_error is not null then 'retrying' else 'waiting' end
"""
_EVENT_STATES = """
    case when i.handled_at is null and i.outcome is not null then 'retrying'
         when i.handled_at is null then 'waiting'
         when starts_with(i.outcome, 'refused') then 'failed' else 'done' end
"""
_COUNTS = """
    select {state}, count(*) from {table} group by 1
"""
_ITEMS = f"""
    select o.id, o.action, o.subject, {_ITEM_STATES}, o.attempts, o.created_at, o.due_at,
           coalesce(o.done_at, o.given_up_at), o.last_error, o.account_id, a.name
    from outbox o left join account a on a.id = o.account_id
    where (cast(:state as text) is null or {_ITEM_STATES} = :state)
      and (cast(:before as uuid) is null or o.id < :before)
    order by o.id desc limit :limit
"""  # noqa: S608  # put together of constants
_EVENTS = f"""
    select i.id, i.kind, {_EVENT_STATES}, i.attempts, i.received_at, i.due_at, i.handled_at,
           i.outcome
    from inbox i
    where (cast(:state as text) is null or {_EVENT_STATES} = :state)
      and (cast(:before as timestamptz) is null or (i.received_at, i.id) < (:before, :before_id))
    order by i.received_at desc, i.id desc limit :limit
"""  # noqa: S608  # put together of constants


class Progress(StrEnum):
    """How far it is: waits for its turn, failed and is tried again by itself, was given up or
    refused, or is done."""

    WAITING = "waiting"
    RETRYING = "retrying"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something to be done outside."""

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
class Incoming:
    """An event of Stripe's; `outcome` is what came of it, or why it waits."""

    id: str
    kind: str
    progress: str
    attempts: int
    received_at: datetime
    due_at: datetime
    handled_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    """Before which event a page of them begins."""

    received_at: datetime
    id: str

    def __str__(self) -> str:
        return f"{self.received_at.isoformat()} {self.id}"

    @classmethod
    def of(cls, event: Incoming) -> "Mark":
        return cls(event.received_at, event.id)

    @classmethod
    def read(cls, text: str) -> "Mark | None":
        """The reverse; None where it is none."""
        at, _, event_id = text.partition(" ")
        try:
            moment = datetime.fromisoformat(at)
        except ValueError:
            return None
        return cls(moment, event_id) if moment.tzinfo and "\x00" not in event_id else None


async def count_outgoing(session: AsyncSession) -> dict[Progress, int]:
    """How many there are of each progress."""
    return await _counted(session, _COUNTS.format(state=_ITEM_STATES, table="outbox o"))


async def count_incoming(session: AsyncSession) -> dict[Progress, int]:
    """The same of events."""
    return await _counted(session, _COUNTS.format(state=_EVENT_STATES, table="inbox i"))


async def list_outgoing(
    session: AsyncSession, progress: Progress | None, limit: int, before: UUID | None = None
) -> list[Outgoing]:
    """The newest first."""
    values = {"state": progress and progress.value, "before": before, "limit": limit}
    return [Outgoing(*row) for row in await session.execute(text(_ITEMS), values)]


async def list_incoming(
    session: AsyncSession, progress: Progress | None, limit: int, before: Mark | None = None
) -> list[Incoming]:
    """The newest first."""
    values = {
        "state": progress and progress.value,
        "before": before and before.received_at,
        "before_id": before and before.id,
        "limit": limit,
    }
    return [Incoming(*row) for row in await session.execute(text(_EVENTS), values)]


async def _counted(session: AsyncSession, query: str) -> dict[Progress, int]:
    found = {name: int(count) for name, count in await session.execute(text(query))}
    return {progress: found.get(progress.value, 0) for progress in Progress}
