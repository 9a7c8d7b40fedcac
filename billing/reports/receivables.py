"""Receivables: what is owed on open invoices, how old it is, and by whom.

Every amount is the ledger's. For operators: it looks across accounts (account_id).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoices.numbering import invoice_number

# Up to so many days late; what is later than the last is in a part of its own.
AGES = (0, 30, 60, 90)
_OWED = """
    (
        select coalesce(sum(p.minor), 0) from ledger_posting p
        where p.invoice_id = i.id and p.book = 'receivable'
    )
"""
_AGEING = f"""
    select currency, width_bucket(
               due_at, array[cast(:d90 as timestamptz), :d60, :d30, :d0]
           ), count(*), sum(owed)
    from (select i.currency, i.due_at, {_OWED} as owed from invoice i where i.status = 'open') o
    group by 1, 2 order by 1, 2 desc
"""  # noqa: S608  # put together of constants
_OVERDUE = f"""
    select i.id, e.code, i.number, i.account_id, a.name, i.currency, i.due_at, i.reminders,
           cast({_OWED} as bigint), p.collection, p.suspended_at is not null
    from invoice i join account a on a.id = i.account_id
    join billing_profile p on p.account_id = a.id
    join legal_entity e on e.id = i.legal_entity_id
    where i.status = 'open' and i.due_at < :now
    order by i.due_at, i.id limit :limit
"""  # noqa: S608  # put together of constants


@dataclass(frozen=True, slots=True)
class Age:
    """Open invoices of one age: how many, and what is owed for them in minor units."""

    invoices: int = 0
    owed: int = 0


@dataclass(frozen=True, slots=True)
class Ageing:
    """What is owed in a currency: not due yet, then late by up to 30, 60 and 90 days, and more."""

    currency: str
    ages: tuple[Age, ...]

    @property
    def owed(self) -> int:
        return sum(age.owed for age in self.ages)

    @property
    def late(self) -> int:
        return self.owed - self.ages[0].owed


@dataclass(frozen=True, slots=True)
class Overdue:
    """An open invoice past its due date; `reminders` is how many steps of dunning were taken."""

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
        """Whole days since it was due."""
        return (now - self.due_at).days


async def ageing(session: AsyncSession, now: datetime) -> list[Ageing]:
    """By currency."""
    marks = {f"d{days}": now - timedelta(days=days) for days in AGES}
    found: dict[str, list[Age]] = {}
    for currency, bucket, count, owed in await session.execute(text(_AGEING), marks):
        ages = found.setdefault(currency, [Age()] * (len(AGES) + 1))
        # The newest due date is in the last bucket, and comes first.
        ages[len(AGES) - bucket] = Age(int(count), int(owed))
    return [Ageing(currency, tuple(ages)) for currency, ages in found.items()]


async def overdue(session: AsyncSession, now: datetime, limit: int) -> Sequence[Overdue]:
    """Open invoices past their due date, the oldest first."""
    rows = await session.execute(text(_OVERDUE), {"now": now, "limit": limit})
    return [
        Overdue(invoice_id, invoice_number(code, number), *rest)
        for invoice_id, code, number, *rest in rows
    ]
