"""Find the period of time that a question names, in English and Chinese (periods.toml)."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType

from gateway.plant.questions.values import NO_PERIOD, Period
from gateway.plant.questions.words import plain_text

_FILE = Path(__file__).with_name("periods.toml")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun",
            "july jul", "august aug", "september sep", "october oct", "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
# Year, month and day with hyphens, or with the Chinese words for them.
_DAY = r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{4}\u5e74\d{1,2}\u6708\d{1,2}[\u65e5\u53f7])"
_NUMBERS = re.compile(r"(\d{4})\D(\d{1,2})\D(\d{1,2})")
_DAY_LENGTH = timedelta(days=1)
_MAX_DAYS = 36_500
_Bounds = tuple[date | None, date | None]


@dataclass(frozen=True, slots=True)
class FoundPeriod:
    """A period, and the spans of the text that name it."""

    period: Period = NO_PERIOD
    spans: tuple[tuple[int, int], ...] = ()


def find_period(text: str, today: date) -> FoundPeriod:
    """Return the period that a text names; unbounded without one."""
    plain = plain_text(text)
    for pattern, kind in _patterns():
        match = pattern.search(plain)
        if match is None:
            continue
        try:
            start, end = _BUILDERS[kind](match, today)
        except ValueError:
            continue
        period = Period(start.isoformat() if start else "", end.isoformat() if end else "")
        return FoundPeriod(period, (match.span(),))
    return FoundPeriod()


@cache
def _patterns() -> Sequence[tuple[re.Pattern[str], str]]:
    """Return the patterns with their kinds, read once in a process."""
    months = "|".join(_MONTHS)
    return [
        (re.compile(one["pattern"].replace("<day>", _DAY).replace("<month>", months)), one["kind"])
        for one in tomllib.loads(_FILE.read_text("utf-8"))["periods"]
    ]


def _days(match: re.Match[str], _today: date) -> list[date]:
    """Return the days that a match names. Raises ValueError."""
    found = _NUMBERS.findall(match.group())
    return [date(int(year), int(month), int(day)) for year, month, day in found]


def _group(match: re.Match[str], name: str) -> str:
    """Return a group by its name, or by its second name in the Chinese alternative."""
    groups = match.groupdict()
    return groups.get(name) or groups.get(f"{name}2") or ""


def _month_of(match: re.Match[str]) -> _Bounds:
    """Return the month that a match names, by its English name or number. Raises ValueError."""
    name = match.groupdict().get("name")
    number = _MONTHS[name] if name else int(match["number"])
    return _month(int(_group(match, "year")), number)


def _month(year: int, month: int) -> _Bounds:
    """Return the first day of a month and of the next one."""
    return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)


def _year(year: int) -> _Bounds:
    """Return the first day of a year and of the next one."""
    return date(year, 1, 1), date(year + 1, 1, 1)


def _past_month(today: date) -> _Bounds:
    """Return the month before this one."""
    last = today.replace(day=1) - _DAY_LENGTH
    return _month(last.year, last.month)


def _between(match: re.Match[str], today: date) -> _Bounds:
    """Return the period of two days, with both."""
    first, last = _days(match, today)
    return first, last + _DAY_LENGTH


def _last_days(match: re.Match[str], today: date) -> _Bounds:
    """Return the days up to today."""
    return today - timedelta(days=min(int(_group(match, "days")), _MAX_DAYS)), None


_BUILDERS: Mapping[str, Callable[[re.Match[str], date], _Bounds]] = MappingProxyType(
    {
        "between": _between,
        "since_day": lambda match, today: (_days(match, today)[0], None),
        "after_day": lambda match, today: (_days(match, today)[0] + _DAY_LENGTH, None),
        "before_day": lambda match, today: (None, _days(match, today)[0]),
        "day": lambda match, today: (
            _days(match, today)[0],
            _days(match, today)[0] + _DAY_LENGTH,
        ),
        "since_month": lambda match, _: (_month_of(match)[0], None),
        "before_month": lambda match, _: (None, _month_of(match)[0]),
        "month": lambda match, _: _month_of(match),
        "since_year": lambda match, _: (_year(int(_group(match, "year")))[0], None),
        "year": lambda match, _: _year(int(_group(match, "year"))),
        "last_days": _last_days,
        "this_month": lambda _, today: _month(today.year, today.month),
        "last_month": lambda _, today: _past_month(today),
        "this_year": lambda _, today: _year(today.year),
        "last_year": lambda _, today: _year(today.year - 1),
        "today": lambda _, today: (today, today + _DAY_LENGTH),
        "yesterday": lambda _, today: (today - _DAY_LENGTH, today),
    }
)
