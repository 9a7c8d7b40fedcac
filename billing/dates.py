"""Billing dates: months, years and days as the customer's calendar has them.

Periods begin at midnight in the account's time zone, on its anchor day or, in shorter months, on
the last one. A day is a day, whatever the clocks did in it, so what is prorated is prorated by
days: the day on which something begins counts whole, the day on which it ends does not.

Pure. Instants are UTC; what a period belongs to is in billing/subscriptions/periods.py.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from infra.errors import AppError

_YEARS = range(1900, 2201)


class TimeZoneUnknown(AppError):
    """No such zone in the IANA database."""

    status = 400
    type = "invalid_request_error"
    code = "time_zone_unknown"


def zone_of(name: str) -> ZoneInfo:
    """Raises TimeZoneUnknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"There is no time zone {name!r}; one is Asia/Shanghai."
        raise TimeZoneUnknown(message, param="time_zone") from error


def day_of(at: datetime, zone: ZoneInfo) -> date:
    """The local day of an instant."""
    return at.astimezone(zone).date()


def instant_of(at: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a time with an offset, or of a local one without. Raises ValueError for a
    local time that the clocks skip or show twice, and for a year outside of 1900 to 2200: sums
    with days and offsets must not leave what a date can be."""
    if at.year not in _YEARS:
        raise ValueError("the year must be between 1900 and 2200")
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    first, second = (at.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != second:
        raise ValueError("the clocks skip this time or show it twice: write it with its offset")
    return first


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a local day begins."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def day_start(at: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the local day of an instant began."""
    return midnight(day_of(at, zone), zone)


def month_start(day: date, anchor_day: int) -> date:
    """The first day of the billing month that holds a day."""
    anchored = _anchored(day.year, day.month, anchor_day)
    if anchored <= day:
        return anchored
    before = day.replace(day=1) - timedelta(days=1)
    return _anchored(before.year, before.month, anchor_day)


def next_month_start(day: date, anchor_day: int) -> date:
    """The first day of the billing month after the one that holds a day."""
    start = month_start(day, anchor_day)
    after = start.replace(day=1) + timedelta(days=31)
    return _anchored(after.year, after.month, anchor_day)


def year_later(day: date) -> date:
    """The same day of the next year; of a leap day, the day before."""
    return _anchored(day.year + 1, day.month, day.day)


def days_between(start: datetime, end: datetime, zone: ZoneInfo) -> int:
    """Local days from one instant's day to another's; none where it ends before it begins."""
    return max(0, (day_of(end, zone) - day_of(start, zone)).days)


def share_of_month(start: datetime, end: datetime, zone: ZoneInfo, anchor_day: int) -> Fraction:
    """How much of the billing month that holds `start` lies between two instants, by days."""
    first = day_of(start, zone)
    month = month_start(first, anchor_day), next_month_start(first, anchor_day)
    until = min(day_of(end, zone), month[1])
    return Fraction(max(0, (until - first).days), (month[1] - month[0]).days)


def _anchored(year: int, month: int, anchor_day: int) -> date:
    return date(year, month, min(anchor_day, monthrange(year, month)[1]))
