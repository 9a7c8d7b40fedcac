"""Accounts receivable: ageing by currency, and overdue invoices.

Amounts are from the ledger. For operators: reads across accounts (account_id).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoices.numbering import format_invoice_number

# Upper bounds of the ageing buckets in days overdue; the last bucket is unbounded.
AGE_BUCKET_DAYS = (0, 30, 60, 90)
_AMOUNT_OWED = """
    (
        select coalesce(sum(p.minor), 0) from ledger_posting p
        where p.invoice_id = i.id and p.book = 'receivable'
    )
"""
_AGEING = f"""
    select currency, width_bucket(
               due_at, array[cast(:d90 as timestamptz), :d60, :d30, :d0]
           ), count(*), sum(owed)
    from (
        select i.currency, i.due_at, {_AMOUNT_OWED} as owed from invoice i where i.status = 'open'
    ) o
    group by 1, 2 order by 1, 2 desc
"""  # noqa: S608  # put together of constants
_OVERDUE = f"""
    select i.id, e.code, i.number, i.account_id, a.name, i.currency, i.due_at, i.reminders,
           cast({_AMOUNT_OWED} as bigint), p.collection, p.suspended_at is not null
    from invoice i join account a on a.id = i.account_id
    join billing_profile p on p.account_id = a.id
    join legal_entity e on e.id = i.legal_entity_id
    where i.status = 'open' and i.due_at < :now
    order by i.due_at, i.id limit :limit
"""  # noqa: S608  # put together of constants


@dataclass(frozen=True, slots=True)
class AgeBucket:
    """An ageing bucket: number of open invoices and the amount owed in minor units."""

    invoices: int = 0
    owed: int = 0


@dataclass(frozen=True, slots=True)
class ReceivablesAgeing:
    """Receivables in a currency: not due, overdue by up to 30, 60 and 90 days, and by more."""

    currency: str
    ages: tuple[AgeBucket, ...]

    @property
    def owed(self) -> int:
        """Total amount owed in minor units."""
        return sum(age.owed for age in self.ages)

    @property
    def late(self) -> int:
        """Overdue amount in minor units."""
        return self.owed - self.ages[0].owed


@dataclass(frozen=True, slots=True)
class OverdueInvoice:
    """An open invoice past its due date; `reminders` is the number of dunning steps taken."""

    invoice_id: UUID
    number: str
    account_id: UUID
    account_name: str
    currency: str
    due_at: datetime
    reminders: int
    owed: int
    collection: str
    suspended: bool

    def days(self, now: datetime) -> int:
        """Return the whole days since the due date."""
        return (now - self.due_at).days


async def load_receivables_ageing(session: AsyncSession, now: datetime) -> list[ReceivablesAgeing]:
    """Return the ageing of open invoices by currency."""
    due_dates = {f"d{days}": now - timedelta(days=days) for days in AGE_BUCKET_DAYS}
    ages_by_currency: dict[str, list[AgeBucket]] = {}
    for currency, bucket, count, owed in await session.execute(text(_AGEING), due_dates):
        ages = ages_by_currency.setdefault(currency, [AgeBucket()] * (len(AGE_BUCKET_DAYS) + 1))
        # The newest due date is in the last bucket, and comes first.
        ages[len(AGE_BUCKET_DAYS) - bucket] = AgeBucket(int(count), int(owed))
    return [ReceivablesAgeing(currency, tuple(ages)) for currency, ages in ages_by_currency.items()]


async def list_overdue_invoices(
    session: AsyncSession, now: datetime, limit: int
) -> Sequence[OverdueInvoice]:
    """List open invoices past their due date, oldest first."""
    rows = await session.execute(text(_OVERDUE), {"now": now, "limit": limit})
    return [
        OverdueInvoice(invoice_id, format_invoice_number(code, number), *rest)
        for invoice_id, code, number, *rest in rows
    ]
