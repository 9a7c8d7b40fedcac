"""Times of readings: text with a time zone, or a number since 1970, as whole microseconds."""

import math
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

# Microseconds per unit of a numeric time, as numerator and denominator.
PRECISIONS = MappingProxyType(
    {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The year 9999; beyond it nothing can be shown.
_MAX_US = 253_402_300_800 * 1_000_000


def parse_time(value: object) -> int:
    """Return a time in microseconds. Raises ValueError.

    Texts are ISO 8601 with `Z` or an offset; numbers are seconds since 1970.
    """
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return _checked(round(value * 1_000_000))
    raise ValueError("`time` must be a text such as 2026-11-30T08:00:00Z or seconds since 1970")


def parse_number_time(value: int, precision: str) -> int:
    """Return a whole number of units since 1970 in microseconds. Raises ValueError."""
    numerator, denominator = PRECISIONS[precision]
    return _checked(value * numerator // denominator)


def _parse_text(text: str) -> int:
    """Return the time of an ISO 8601 text, or of a number as text. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _parse_number_text(text)
    if moment.tzinfo is None:
        raise ValueError("`time` must have a time zone, such as Z or +08:00")
    return _checked((moment - _EPOCH) // _MICROSECOND)


def _parse_number_text(text: str) -> int:
    """Return the time of a number of seconds as text. Raises ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError("`time` must be a text such as 2026-11-30T08:00:00Z or seconds since 1970")
    return _checked(round(seconds * 1_000_000))


def _checked(time_us: int) -> int:
    """Return the time. Raises ValueError outside 1970 to 9999."""
    if not 0 <= time_us < _MAX_US:
        raise ValueError("`time` must be from 1970 to 9999")
    return time_us


def format_time(time_us: int) -> str:
    """Return a time as text in UTC, with microseconds only if there are any."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.isoformat().replace("+00:00", "Z")


def to_datetime(time_us: int) -> datetime:
    """Return a time as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


def from_datetime(moment: datetime) -> int:
    """Return an aware datetime in microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND
