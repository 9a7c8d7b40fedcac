"""Fees: for which days a plan's fixed fee is due, and what is given back of a paid one.

Fees fall due in advance, for a billing month or a year; a month that begins in the middle is paid
by its days. Pure.
"""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.dates import (
    day_of,
    days_between,
    midnight,
    next_month_start,
    share_of_month,
    year_later,
)
from billing.money import rounded
from billing.rating.statement import Line, LineKind
from billing.rating.terms import Interval, PlanTerms


@dataclass(frozen=True, slots=True)
class Calendar:
    """An account's days and months."""

    zone: ZoneInfo
    anchor_day: int


@dataclass(frozen=True, slots=True)
class PaidFee:
    """A fee that was invoiced for some days."""

    minor: int
    starts_at: datetime
    ends_at: datetime
    version_id: UUID


def fee_line(terms: PlanTerms, calendar: Calendar, starts_at: datetime) -> Line:
    """The fee that falls due at a midnight, up to the next month's or year's beginning."""
    zone, day = calendar.zone, day_of(starts_at, calendar.zone)
    if terms.interval is Interval.YEAR:
        ends_at, share = midnight(year_later(day), zone), Fraction(1)
    else:
        ends_at = midnight(next_month_start(day, calendar.anchor_day), zone)
        share = share_of_month(starts_at, ends_at, zone, calendar.anchor_day)
    return Line(
        LineKind.FIXED_FEE,
        rounded(terms.fixed_fee * share),
        terms.version_id(),
        starts_at=starts_at,
        ends_at=ends_at,
    )


def unused_line(paid: PaidFee, at: datetime, zone: ZoneInfo) -> Line | None:
    """What is given back of a paid fee for the days from `at` on; None where that is nothing."""
    left = days_between(max(at, paid.starts_at), paid.ends_at, zone)
    whole = days_between(paid.starts_at, paid.ends_at, zone)
    back = rounded(Fraction(paid.minor * left, whole)) if whole else 0
    if back == 0:
        return None
    return Line(
        LineKind.UNUSED_FEE,
        -back,
        paid.version_id,
        starts_at=max(at, paid.starts_at),
        ends_at=paid.ends_at,
    )
