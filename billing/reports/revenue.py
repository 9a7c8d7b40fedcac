"""Revenue net of tax: by month from the ledger; by plan, model, kind or account from invoice lines.

Monthly figures are exact. Breakdowns are of invoices by finalisation date, before credit notes;
tax is deducted from tax-inclusive lines, with each share rounded once. For operators: reads across
accounts (account_id).
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import local_day

_MAX_SHARES = 100
_IS_REVENUE = "p.book in ('revenue_usage', 'revenue_fees', 'revenue_packs')"
_REVENUE_BY_MONTH = f"""
    select t.currency, date_trunc('month', t.occurred_at, :zone),
           coalesce(-sum(p.minor) filter (
               where p.book = 'revenue_usage' and t.kind <> 'credit_note'), 0),
           coalesce(-sum(p.minor) filter (
               where p.book in ('revenue_fees', 'revenue_packs')
                 and t.kind <> 'credit_note'), 0),
           coalesce(sum(p.minor) filter (where {_IS_REVENUE} and t.kind = 'credit_note'), 0),
           coalesce(sum(p.minor) filter (where p.book = 'bad_debt'), 0)
    from ledger_transaction t join ledger_posting p on p.transaction_id = t.id
    where t.occurred_at >= :since and t.occurred_at < :until
      and ({_IS_REVENUE} or p.book = 'bad_debt')
    group by 1, 2 order by 1, 2
"""  # noqa: S608  # put together of constants
# A usage line without a model is a minimum or a discount on all models.
_DIMENSION_SQL = {
    "plan": "v.plan",
    "model": "l.model",
    "kind": "case when l.kind in ('fixed_fee', 'unused_fee', 'add_on', 'unused_add_on', 'pack') "
    "then 'fees' "
    "when l.kind = 'outcome' then 'outcomes' else 'usage' end",
    "account": "a.name",
}
_REVENUE_BY_DIMENSION = """
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
_UNINVOICED_USAGE = """
    select a.currency, sum(t.cost_nano)
    from billing_period p join usage_total t on t.period_id = p.id
    join account a on a.id = p.account_id
    where p.closed_at is null and t.settlement in ('complete', 'client_abort')
    group by 1 order by 2 desc, 1
"""


class RevenueDimension(StrEnum):
    """Dimension of a revenue breakdown."""

    PLAN = "plan"
    MODEL = "model"
    KIND = "kind"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class MonthlyRevenue:
    """Revenue of a month in a currency, in minor units.

    `fees` include outcome charges, and prepaid packs when they are used or expire. `credited` is
    the total of credit notes; `lost` is bad debt, which is an expense and does not reduce revenue.
    """

    currency: str
    first_day: date
    usage: int
    fees: int
    credited: int
    lost: int

    @property
    def net(self) -> int:
        """Usage and fees less credit notes, in minor units."""
        return self.usage + self.fees - self.credited


@dataclass(frozen=True, slots=True)
class RevenueShare:
    """Revenue of one plan, model, kind or account in minor units, with its number of invoices.

    `value` is None for lines without a single model.
    """

    value: str | None
    minor: int
    invoices: int


async def list_revenue_by_month(
    session: AsyncSession, since: datetime, until: datetime, zone: ZoneInfo
) -> list[MonthlyRevenue]:
    """Return revenue by currency and month, earliest first; months without revenue are left out."""
    values = {"since": since, "until": until, "zone": zone.key}
    rows = await session.execute(text(_REVENUE_BY_MONTH), values)
    return [
        MonthlyRevenue(currency, local_day(month, zone), *(int(amount) for amount in sums))
        for currency, month, *sums in rows
    ]


async def list_revenue_by(
    session: AsyncSession, part: RevenueDimension, currency: str, since: datetime, until: datetime
) -> list[RevenueShare]:
    """Return revenue by plan, model, kind or account (`part`), largest first, at most 100."""
    values = {"currency": currency, "since": since, "until": until, "limit": _MAX_SHARES}
    rows = await session.execute(
        text(_REVENUE_BY_DIMENSION.format(value=_DIMENSION_SQL[part])), values
    )
    return [RevenueShare(value, int(minor), int(invoices)) for value, minor, invoices in rows]


async def load_uninvoiced_usage(session: AsyncSession) -> dict[str, int]:
    """Return the running cost of calls not yet invoiced, in nano-units by currency."""
    return {
        currency: int(nano) for currency, nano in await session.execute(text(_UNINVOICED_USAGE))
    }


async def newest_plan_versions(session: AsyncSession) -> dict[str, UUID]:
    """Return the newest version id of each plan, whose terms contain its display names."""
    query = "select distinct on (plan) plan, id from plan_version order by plan, number desc"
    return {plan: version for plan, version in await session.execute(text(query))}
