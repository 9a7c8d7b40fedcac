"""Invoice lines for the fees of a plan and its add-ons, and for the proration of unused fees.

Fees are due in advance, for a billing month or a year. A partial month is prorated by days.
"""

from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class FeePeriod:
    """A service period of fees, and the share of a month's or year's fee that is due for it."""

    starts_at: datetime
    ends_at: datetime
    share: Fraction

    def rest(self, at: datetime, zone: ZoneInfo) -> "FeePeriod":
        """Return the part of the period from `at` (local midnight) on, with its share by days."""
        starts_at = max(at, self.starts_at)
        days = days_between(self.starts_at, self.ends_at, zone)
        left = Fraction(days_between(starts_at, self.ends_at, zone), days)
        return FeePeriod(starts_at, self.ends_at, self.share * left)


def fee_period(terms: PlanTerms, calendar: BillingCalendar, starts_at: datetime) -> FeePeriod:
    """Return the fee period from `starts_at` (local midnight) to the end of the month or year."""
    zone, day = calendar.zone, local_day(starts_at, calendar.zone)
    if terms.interval is Interval.YEAR:
        return FeePeriod(starts_at, local_midnight(add_year(day), zone), Fraction(1))
    ends_at = local_midnight(next_billing_month_start(day, calendar.anchor_day), zone)
    share = billing_month_share(starts_at, ends_at, zone, calendar.anchor_day)
    return FeePeriod(starts_at, ends_at, share)


def fixed_fee_line(
    terms: PlanTerms, calendar: BillingCalendar, starts_at: datetime
) -> StatementLine:
    """Return the fee line from `starts_at` (local midnight) to the end of the month or year."""
    period = fee_period(terms, calendar, starts_at)
    return StatementLine(
        LineKind.FIXED_FEE,
        rounded(terms.fixed_fee * period.share),
        terms.version_id(),
        starts_at=period.starts_at,
        ends_at=period.ends_at,
    )


def add_on_line(terms: PlanTerms, name: str, quantity: int, period: FeePeriod) -> StatementLine:
    """Return the fee line of so many of an add-on, which the terms must offer, for a period."""
    return StatementLine(
        LineKind.ADD_ON,
        rounded(terms.require_add_on(name).fee * quantity * period.share),
        terms.version_id(),
        quantity=quantity,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        add_on=name,
    )


def unused_add_on_line(
    terms: PlanTerms, name: str, quantity: int, rest: FeePeriod
) -> StatementLine:
    """Return the negative line that credits so many of an add-on for the rest of a paid period."""
    line = add_on_line(terms, name, quantity, rest)
    return replace(line, kind=LineKind.UNUSED_ADD_ON, minor=-line.minor)


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
