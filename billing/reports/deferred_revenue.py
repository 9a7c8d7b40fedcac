"""Deferred revenue: fees that are invoiced in advance, recognized by the days of their service.

A fee line is allocated to the calendar months of its service period by days (largest remainder,
so that the parts add up). Figures are net of tax and before credit notes; void invoices are left
out. For operators: reads across accounts (account_id).

    opening + invoiced - recognized = closing
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import local_day, local_midnight, next_billing_month_start
from billing.invoice_documents.rendering.csv import format_csv_rows
from billing.invoices.numbering import format_invoice_number
from billing.money import PPM, allocate, minor_text, rounded

CSV_COLUMNS = (
    "invoice",
    "account",
    "plan",
    "kind",
    "first_day",
    "last_day",
    "currency",
    "net",
    "recognized_before",
    "recognized",
    "deferred",
)
_FEE_LINES = """
    select e.code, i.number, a.name, v.plan, l.kind, l.starts_at, l.ends_at, i.currency,
           i.finalised_at, l.minor, i.tax_ppm,
           (cast(v.terms as jsonb) ->> 'tax_inclusive')\\:\\:boolean
    from invoice_line l
    join invoice i on i.id = l.invoice_id join legal_entity e on e.id = i.legal_entity_id
    join account a on a.id = l.account_id join plan_version v on v.id = l.plan_version_id
    where l.kind in ('fixed_fee', 'unused_fee', 'add_on', 'unused_add_on')
      and i.status not in ('draft', 'void')
      and i.finalised_at < :until and (l.ends_at > :since or i.finalised_at >= :since)
    order by i.currency, e.code, i.number, l.position
"""
_PREPAID = """
    select t.currency, -sum(p.minor)
    from ledger_posting p join ledger_transaction t on t.id = p.transaction_id
    join wallet_grant g on g.id = p.grant_id
    where p.book = 'wallet' and g.paid and t.occurred_at < :until
    group by 1
"""


@dataclass(frozen=True, slots=True)
class FeeLine:
    """A fee on a final invoice with its service period; `net` in minor units, without tax."""

    invoice: str
    account: str
    plan: str
    kind: str
    first_day: date
    end_day: date
    currency: str
    invoiced_on: date
    net: int


@dataclass(frozen=True, slots=True)
class DeferredLine:
    """A fee line at the end of a month: amounts recognized before it, in it, and after it."""

    line: FeeLine
    recognized_before: int
    recognized: int
    deferred: int


@dataclass(frozen=True, slots=True)
class DeferredRevenue:
    """Deferred revenue of a month in a currency, in minor units.

    `prepaid` is the unused paid wallet balance at the month's end, which is a liability too.
    """

    currency: str
    opening: int
    invoiced: int
    recognized: int
    closing: int
    prepaid: int


def defer(line: FeeLine, month: date) -> DeferredLine:
    """Divide a fee line into what is recognized before, in and after a month (its first day).

    A service that ended before the invoice is recognized in the month of the invoice.
    """
    months = list(_months(line.first_day, line.end_day))
    parts = allocate(line.net, [days for _, days in months])
    recognized_from = line.invoiced_on.replace(day=1)
    by_month = [
        (max(first, recognized_from), part) for (first, _), part in zip(months, parts, strict=True)
    ]
    return DeferredLine(
        line,
        sum(part for first, part in by_month if first < month),
        sum(part for first, part in by_month if first == month),
        sum(part for first, part in by_month if first > month),
    )


def summarize(
    lines: Iterable[DeferredLine], prepaid: dict[str, int], month: date
) -> list[DeferredRevenue]:
    """Return the totals of a month by currency; `prepaid` is in minor units by currency."""
    by_currency: dict[str, list[DeferredLine]] = {currency: [] for currency in prepaid}
    for one in lines:
        by_currency.setdefault(one.line.currency, []).append(one)
    return [
        _total(found, currency, prepaid.get(currency, 0), month)
        for currency, found in sorted(by_currency.items())
    ]


async def load_deferred_lines(
    session: AsyncSession, month: date, zone: ZoneInfo
) -> list[DeferredLine]:
    """Return the fee lines that a month (its first day) recognizes, invoices or defers."""
    values = {"since": local_midnight(month, zone), "until": _end(month, zone)}
    rows = await session.execute(text(_FEE_LINES), values)
    return [defer(_fee_line(row, zone), month) for row in rows]


async def load_prepaid_balances(
    session: AsyncSession, month: date, zone: ZoneInfo
) -> dict[str, int]:
    """Return the unused paid wallet balances at the end of a month, in minor units by currency."""
    rows = await session.execute(text(_PREPAID), {"until": _end(month, zone)})
    return {currency: int(minor) for currency, minor in rows}


def deferred_lines_csv(lines: Sequence[DeferredLine]) -> bytes:
    """Return the lines as a CSV file with a header; amounts in the major unit."""
    return format_csv_rows([CSV_COLUMNS, *(_csv_row(one) for one in lines)])


def _total(
    lines: Sequence[DeferredLine], currency: str, prepaid: int, month: date
) -> DeferredRevenue:
    """Return the totals of the lines of one currency."""
    invoiced = sum(one.line.net for one in lines if one.line.invoiced_on >= month)
    recognized = sum(one.recognized for one in lines)
    closing = sum(one.deferred for one in lines)
    opening = closing + recognized - invoiced
    return DeferredRevenue(currency, opening, invoiced, recognized, closing, prepaid)


def _months(first_day: date, end_day: date) -> Iterable[tuple[date, int]]:
    """Yield (first day of the month, days in the period) from `first_day` to before `end_day`."""
    day = first_day
    while day < end_day:
        following = min(next_billing_month_start(day, 1), end_day)
        yield day.replace(day=1), (following - day).days
        day = following


def _end(month: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which a month ends in a time zone."""
    return local_midnight(next_billing_month_start(month, 1), zone)


def _fee_line(row: Any, zone: ZoneInfo) -> FeeLine:
    """Return a row of `_FEE_LINES` as a fee line; tax is deducted from tax-inclusive amounts."""
    code, number, account, plan, kind, starts_at, ends_at, currency, final, minor, ppm, gross = row
    first_day = local_day(starts_at, zone)
    net = rounded(Fraction(minor * PPM, PPM + ppm)) if gross else minor
    return FeeLine(
        format_invoice_number(code, number),
        account,
        plan,
        kind,
        first_day,
        max(local_day(ends_at, zone), first_day + timedelta(days=1)),
        currency,
        local_day(final, zone),
        net,
    )


def _csv_row(one: DeferredLine) -> tuple[str, ...]:
    """Return a line's cells in the order of CSV_COLUMNS."""
    line, currency = one.line, one.line.currency
    return (
        line.invoice,
        line.account,
        line.plan,
        line.kind,
        line.first_day.isoformat(),
        (line.end_day - timedelta(days=1)).isoformat(),
        currency,
        minor_text(line.net, currency),
        minor_text(one.recognized_before, currency),
        minor_text(one.recognized, currency),
        minor_text(one.deferred, currency),
    )
