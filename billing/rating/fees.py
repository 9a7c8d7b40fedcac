"""Invoice lines for a plan's fixed fee and for the proration of an unused paid fee.

Fees are due in advance, for a billing month or a year. A partial month is prorated by days.
"""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.dates import (
    add_year,
    billing_month_share,
    days_between,
    local_day,
    local_midnight,
    next_billing_month_start,
)
from billing.money import rounded
from billing.rating.statement import LineKind, StatementLine
from billing.rating.terms import Interval, PlanTerms


@dataclass(frozen=True, slots=True)
class BillingCalendar:
    """An account's time zone and the day of the month on which its billing months begin."""

    zone: ZoneInfo
    anchor_day: int


@dataclass(frozen=True, slots=True)
class PaidFee:
    """An invoiced fixed fee, in minor units, for a service period."""

    minor: int
    starts_at: datetime
    ends_at: datetime
    version_id: UUID


def fixed_fee_line(
    terms: PlanTerms, calendar: BillingCalendar, starts_at: datetime
) -> StatementLine:
    """Return the fee line from `starts_at` (local midnight) to the end of the month or year."""
    zone, day = calendar.zone, local_day(starts_at, calendar.zone)
    if terms.interval is Interval.YEAR:
        ends_at, share = local_midnight(add_year(day), zone), Fraction(1)
    else:
        ends_at = local_midnight(next_billing_month_start(day, calendar.anchor_day), zone)
        share = billing_month_share(starts_at, ends_at, zone, calendar.anchor_day)
    return StatementLine(
        LineKind.FIXED_FEE,
        rounded(terms.fixed_fee * share),
        terms.version_id(),
        starts_at=starts_at,
        ends_at=ends_at,
    )


def unused_fee_line(paid: PaidFee, at: datetime, zone: ZoneInfo) -> StatementLine | None:
    """Return the negative line that credits a paid fee for the days from `at` on.

    Returns None if the prorated amount is zero.
    """
    remaining_days = days_between(max(at, paid.starts_at), paid.ends_at, zone)
    paid_days = days_between(paid.starts_at, paid.ends_at, zone)
    credited = rounded(Fraction(paid.minor * remaining_days, paid_days)) if paid_days else 0
    if credited == 0:
        return None
    return StatementLine(
        LineKind.UNUSED_FEE,
        -credited,
        paid.version_id,
        starts_at=max(at, paid.starts_at),
        ends_at=paid.ends_at,
    )
