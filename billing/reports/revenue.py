"""Revenue: what was earned, by month from the ledger, and by plan, model, kind or account from the
lines of final invoices.

All net of tax. Months are exact: they are the ledger's. Parts are of invoices by the day on which
they became final, before credit notes; a line of a plan whose prices include tax is told without
it, each part rounded once. For operators: it looks across accounts (account_id).
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import day_of

_MOST_PARTS = 100
_EARNED = "p.book in ('revenue_usage', 'revenue_fees')"
_MONTHS = f"""
    select t.currency, date_trunc('month', t.occurred_at, :zone),
           coalesce(-sum(p.minor) filter (
               where p.book = 'revenue_usage' and t.kind <> 'credit_note'), 0),
           coalesce(-sum(p.minor) filter (
               where p.book = 'revenue_fees' and t.kind <> 'credit_note'), 0),
           coalesce(sum(p.minor) filter (where {_EARNED} and t.kind = 'credit_note'), 0),
           coalesce(sum(p.minor) filter (where p.book = 'bad_debt'), 0)
    from ledger_transaction t join ledger_posting p on p.transaction_id = t.id
    where t.occurred_at >= :since and t.occurred_at < :until
      and ({_EARNED} or p.book = 'bad_debt')
    group by 1, 2 order by 1, 2
"""  # noqa: S608  # put together of constants
# A line of usage that names no model is a minimum or a discount on all of them.
_VALUES = {
    "plan": "v.plan",
    "model": "l.model",
    "kind": "case when l.kind in ('fixed_fee', 'unused_fee') then 'fees' "
    "when l.kind = 'outcome' then 'outcomes' else 'usage' end",
    "account": "a.name",
}
_PARTS = """
    select {value}, round(sum(
        case when (cast(v.terms as jsonb) ->> 'tax_inclusive')\\:\\:boolean
             then l.minor\\:\\:numeric * 1000000 / (1000000 + i.tax_ppm) else l.minor end
    )), count(distinct i.id)
    from invoice i join invoice_line l on l.invoice_id = i.id
    join plan_version v on v.id = l.plan_version_id join account a on a.id = i.account_id
    where i.status not in ('draft', 'void') and i.currency = :currency
      and i.finalised_at >= :since and i.finalised_at < :until
    group by 1 order by 2 desc, 1 nulls last limit :limit
"""
_RUNNING = """
    select a.currency, sum(t.cost_nano)
    from billing_period p join usage_total t on t.period_id = p.id
    join account a on a.id = p.account_id
    where p.closed_at is null and t.settlement in ('complete', 'client_abort')
    group by 1 order by 2 desc, 1
"""


class Part(StrEnum):
    """By what revenue is divided."""

    PLAN = "plan"
    MODEL = "model"
    KIND = "kind"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Month:
    """What a month earned in a currency, in minor units: usage and fees that were invoiced,
    outcomes among the fees; what credit notes took back; and what was given up as lost, which is a
    cost and no less revenue."""

    currency: str
    first_day: date
    usage: int
    fees: int
    credited: int
    lost: int

    @property
    def net(self) -> int:
        return self.usage + self.fees - self.credited


@dataclass(frozen=True, slots=True)
class Earned:
    """What one plan, model, kind or account earned, in minor units, on so many invoices. No value:
    of a line that is of no single model."""

    value: str | None
    minor: int
    invoices: int


async def revenue_by_month(
    session: AsyncSession, since: datetime, until: datetime, zone: ZoneInfo
) -> list[Month]:
    """By currency, the earliest first; months without any are left out."""
    values = {"since": since, "until": until, "zone": zone.key}
    rows = await session.execute(text(_MONTHS), values)
    return [
        Month(currency, day_of(month, zone), *(int(one) for one in sums))
        for currency, month, *sums in rows
    ]


async def revenue_by(
    session: AsyncSession, part: Part, currency: str, since: datetime, until: datetime
) -> list[Earned]:
    """The largest first, 100 at most."""
    values = {"currency": currency, "since": since, "until": until, "limit": _MOST_PARTS}
    rows = await session.execute(text(_PARTS.format(value=_VALUES[part])), values)
    return [Earned(value, int(minor), int(invoices)) for value, minor, invoices in rows]


async def running_usage(session: AsyncSession) -> dict[str, int]:
    """What calls cost that no final invoice has, as they went, in nano-units by currency."""
    return {currency: int(nano) for currency, nano in await session.execute(text(_RUNNING))}


async def plan_names(session: AsyncSession) -> dict[str, UUID]:
    """The newest version of each plan, whose terms say what it is called."""
    query = "select distinct on (plan) plan, id from plan_version order by plan, number desc"
    return {plan: version for plan, version in await session.execute(text(query))}
