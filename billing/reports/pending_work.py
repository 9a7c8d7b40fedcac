"""Pending work of operators: how much of each kind waits for a person, and since when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# A fapiao that is not issued after so long is late.
FAPIAO_OVERDUE = timedelta(days=3)
_PENDING = """
    select 'line_dispute', count(*), min(opened_at) from line_dispute where answered_at is null
    union all
    select 'outcome_dispute', count(*), min(opened_at) from outcome_dispute
    where answered_at is null and decided_at is null
    union all
    select 'bank_line', count(*), min(imported_at) from bank_line
    where status in ('proposed', 'ambiguous')
    union all
    select 'payment_proof', count(*), min(p.uploaded_at)
    from payment_proof p join invoice i on i.id = p.invoice_id where i.status = 'open'
    union all
    select 'fapiao', count(*), min(requested_at) from fapiao
    where status in ('requested', 'issuing')
    union all
    select 'fapiao_overdue', count(*), min(requested_at) from fapiao
    where status in ('requested', 'issuing') and requested_at < :fapiao_late
    union all
    select 'payment_discrepancy', count(*), min(recorded_at) from payment_discrepancy
    where resolved_at is null
    union all
    select 'overdue_invoice', count(*), min(due_at) from invoice
    where status = 'open' and due_at < :now
    union all
    select 'failed_delivery', count(*), min(given_up_at) from outbox
    where given_up_at is not null and done_at is null
    union all
    (select 'difference', count, at from check_run order by at desc, id desc limit 1)
"""


class PendingKind(StrEnum):
    """A kind of pending work, in the order in which it is shown."""

    LINE_DISPUTE = "line_dispute"
    OUTCOME_DISPUTE = "outcome_dispute"
    BANK_LINE = "bank_line"
    PAYMENT_PROOF = "payment_proof"
    FAPIAO_OVERDUE = "fapiao_overdue"
    FAPIAO = "fapiao"
    PAYMENT_DISCREPANCY = "payment_discrepancy"
    OVERDUE_INVOICE = "overdue_invoice"
    FAILED_DELIVERY = "failed_delivery"
    DIFFERENCE = "difference"


@dataclass(frozen=True, slots=True)
class PendingWork:
    """How much work of a kind is pending; `since` is when the oldest of it began to wait."""

    kind: PendingKind
    count: int
    since: datetime | None


async def list_pending_work(session: AsyncSession, now: datetime) -> Sequence[PendingWork]:
    """Return the pending work of all kinds, also those with none, for operators."""
    values = {"now": now, "fapiao_late": now - FAPIAO_OVERDUE}
    rows = await session.execute(text(_PENDING), values)
    found = {PendingKind(kind): (int(count), since) for kind, count, since in rows}
    return [
        PendingWork(kind, count, since if count else None)
        for kind in PendingKind
        for count, since in [found.get(kind, (0, None))]
    ]
