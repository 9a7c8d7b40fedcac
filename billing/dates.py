"""Calendar arithmetic for billing: local days, billing months and proration by days.

Periods begin at midnight in the account's time zone, on its anchor day or, in shorter months, on
the last day. Proration counts calendar days, regardless of clock changes: the first day counts in
full, the end day does not. Instants are UTC.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from infra.errors import AppError

_SUPPORTED_YEARS = range(1900, 2201)


class TimeZoneUnknown(AppError):
    """The time zone is not in the IANA database."""

    status = 400
    type = "invalid_request_error"
    code = "time_zone_unknown"


def parse_time_zone(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name. Raises TimeZoneUnknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"Unknown time zone {name!r}. Use an IANA name such as Asia/Shanghai."
        raise TimeZoneUnknown(message, param="time_zone") from error


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """Return the local date of an instant."""
    return at.astimezone(zone).date()


def parse_instant(at: datetime, zone: ZoneInfo) -> datetime:
    """Convert a datetime to UTC; without an offset it is local time in `zone`.

    Raises ValueError for a local time that is skipped or ambiguous at a clock change, and for
    years outside of 1900 to 2200, so that later date arithmetic cannot overflow.
    """
    if at.year not in _SUPPORTED_YEARS:
        raise ValueError("the year must be between 1900 and 2200")
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    first, second = (at.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != second:
        raise ValueError(
            "this local time is skipped or ambiguous because of a clock change: add the UTC offset"
        )
    return first


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which a local day begins."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def local_day_start(at: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which the local day of `at` began."""
    return local_midnight(local_day(at, zone), zone)


def billing_month_start(day: date, anchor_day: int) -> date:
    """Return the first day of the billing month that contains a day."""
    anchored = _anchor_date(day.year, day.month, anchor_day)
    if anchored <= day:
        return anchored
    last_of_previous_month = day.replace(day=1) - timedelta(days=1)
    return _anchor_date(last_of_previous_month.year, last_of_previous_month.month, anchor_day)


def next_billing_month_start(day: date, anchor_day: int) -> date:
    """Return the first day of the billing month after the one that contains a day."""
    start = billing_month_start(day, anchor_day)
    day_in_next_month = start.replace(day=1) + timedelta(days=31)
    return _anchor_date(day_in_next_month.year, day_in_next_month.month, anchor_day)


def add_year(day: date) -> date:
    """Return the same day of the next year; for 29 February, 28 February."""
    return _anchor_date(day.year + 1, day.month, day.day)


def days_between(start: datetime, end: datetime, zone: ZoneInfo) -> int:
    """Return the number of local days from `start` to `end`, at least 0."""
    return max(0, (local_day(end, zone) - local_day(start, zone)).days)


def billing_month_share(
    start: datetime, end: datetime, zone: ZoneInfo, anchor_day: int
) -> Fraction:
    """Return the share, by days, of the billing month of `start` that lies before `end`."""
    first = local_day(start, zone)
    month = billing_month_start(first, anchor_day), next_billing_month_start(first, anchor_day)
    last = min(local_day(end, zone), month[1])
    return Fraction(max(0, (last - first).days), (month[1] - month[0]).days)


def _anchor_date(year: int, month: int, anchor_day: int) -> date:
    """Return the anchor day in a month, or the month's last day if the month is shorter."""
    return date(year, month, min(anchor_day, monthrange(year, month)[1]))
