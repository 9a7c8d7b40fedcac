"""Read dates of maintenance tables: ISO 8601, Chinese, slashes, dots, and Excel's numbers."""

import re
from datetime import UTC, datetime, timedelta

_YEAR_FIRST = re.compile(
    r"(\d{4})\s*[-/.\u5e74]\s*(\d{1,2})\s*[-/.\u6708]\s*(\d{1,2})\s*\u65e5?(?:[T\s]+(\d{1,2}):(\d{2})(?::(\d{2}))?.*)?"
)
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:\s+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
# Longer texts are no dates; one with thousands of spaces would take seconds.
_MAX_LENGTH = 100
_EXCEL_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_EXCEL_DAYS = (20_000, 80_000)


def read_date(text: str) -> str | None:
    """Return a date or instant in ISO 8601 (`2026-03-01`, `2026-03-01T08:00:00Z`).

    None if the text is none. A time without an offset is UTC. `3/4/2026` is refused: it is April
    in one country and March in another.
    """
    if len(text) > _MAX_LENGTH:
        return None
    serial = _serial(text)
    if serial is not None:
        return _iso(serial, has_time=bool(serial.hour or serial.minute))
    try:
        if "T" in text:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return _iso(moment, has_time=bool(moment.hour or moment.minute))
    except ValueError:
        pass
    found = _YEAR_FIRST.fullmatch(text)
    day_first = None if found else _DAY_FIRST.fullmatch(text)
    parts = found.groups() if found else None
    if day_first:
        day, month, year, *clock = day_first.groups()
        parts = (year, month, day, *clock)
    return None if parts is None else _from_parts(parts)


def _from_parts(parts: tuple[str | None, ...]) -> str | None:
    """Return the date of year, month, day, and hour, minute, second if there are any."""
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return _iso(moment, has_time=parts[3] is not None and bool(moment.hour or moment.minute))


def _serial(text: str) -> datetime | None:
    """Return the instant of Excel's number of a day."""
    try:
        days = float(text)
    except ValueError:
        return None
    low, high = _EXCEL_DAYS
    return _EXCEL_EPOCH + timedelta(days=days) if low <= days <= high else None


def _iso(moment: datetime, *, has_time: bool) -> str:
    """Return an instant in UTC, or only its date."""
    if not has_time:
        return moment.date().isoformat()
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
