"""Dates and times written in different ways, read as seconds since 1970 (UTC)."""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

import numpy as np

from models.sentences import Sentence, sentence
from models.tables.numbers import is_missing
from models.tables.table import Numbers, Texts

_TIME = r"(?:[T\s]+(?P<hour>\d{1,2})[:时](?P<minute>\d{1,2})(?:[:分](?P<second>\d{1,2}(?:[.,]\d+)?)秒?|分?)?\s*(?P<half>[AaPp][Mm])?)?"  # noqa: E501
_ZONE = r"\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?"
_YEAR_FIRST = re.compile(
    rf"(?P<year>\d{{4}})[-/.年](?P<month>\d{{1,2}})[-/.月](?P<day>\d{{1,2}})日?{_TIME}{_ZONE}"
)
_YEAR_LAST = re.compile(
    rf"(?P<a>\d{{1,2}})(?P<mark>[-/.])(?P<b>\d{{1,2}})[-/.](?P<year>\d{{4}}){_TIME}{_ZONE}"
)
_COMPACT = re.compile(
    r"(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[T ]?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?)?(?P<half>)(?P<zone>Z)?"
)
_SAMPLE = 2_000
# Numbers that are seconds or milliseconds since 1970, from 1990 to 2100.
_EPOCH_SECONDS = (631_152_000.0, 4_102_444_800.0)

Parse = Callable[[str], float | None]
"""Returns the seconds since 1970 of a text, or None if it is no date of this form."""


class DayOrder(StrEnum):
    """Which of the first two numbers of `03/05/2026` is the day."""

    DAY_FIRST = "day first"
    MONTH_FIRST = "month first"


@dataclass(frozen=True, slots=True)
class ParsedDates:
    """A column of times as seconds since 1970 (UTC), NaN where missing.

    invalid: positions of cells that are no dates of the column's form. notes: what was assumed.
    order: of day and month, None if the form leaves no doubt. zone: offset of the first time from
    UTC in seconds, None if it states none.
    """

    seconds: Numbers
    invalid: tuple[int, ...]
    notes: tuple[Sentence, ...] = ()
    order: DayOrder | None = None
    zone: float | None = None


@dataclass(frozen=True, slots=True)
class _Form:
    """The form of a column's dates, with what was assumed."""

    parse: Parse
    order: DayOrder | None = None
    notes: tuple[Sentence, ...] = ()


def date_share(texts: Sequence[str]) -> float:
    """Return the share of the cells that are dates of some form, of those not missing."""
    present = [text for text in texts if not is_missing(text)]
    if not present:
        return 0.0
    forms = (_parse_year_first, _parse_compact, _year_last(day_first=True), _year_last(False))
    return max(sum(form(text) is not None for text in present) / len(present) for form in forms)


def parse_dates(texts: Texts, order: DayOrder | None = None) -> ParsedDates:
    """Return the times of a column of texts, all in the form that fits most of its cells.

    Where day and month cannot be told apart, the order that makes the column ascend is assumed.
    With an `order`, such as that of a longer table, cells with the year last have it, and each cell
    may have a form of its own.
    """
    if (usual := _parse_usual(texts)) is not None:
        return ParsedDates(usual, (), zone=find_zone(str(texts[0])) if len(texts) else None)
    # From the whole column: its first rows may have no day above 12.
    step = max(1, len(texts) // _SAMPLE)
    sample = [text for text in texts[::step] if not is_missing(text)]
    form = _find_form(sample) if order is None else _Form(_any_form(order), order)
    seconds = np.full(len(texts), np.nan)
    invalid: list[int] = []
    for position, text in enumerate(texts):
        if is_missing(text):
            continue
        value = form.parse(text)
        if value is None:
            invalid.append(position)
        else:
            seconds[position] = value
    zone = find_zone(sample[0]) if sample else None
    return ParsedDates(seconds, tuple(invalid), form.notes, form.order, zone)


def _parse_usual(texts: Texts) -> Numbers | None:
    """Return the times of texts with the year first, in one pass; None if one is otherwise.

    No other form fits more of them. The times of a call are read in half the time in this way.
    """
    seconds = np.empty(len(texts))
    for position, text in enumerate(texts):
        value = _parse_year_first(text)
        if value is None:
            return None
        seconds[position] = value
    return seconds


def epoch_unit(numbers: Numbers) -> float | None:
    """Return how many of a column's units a second has if its numbers are times since 1970.

    1 for seconds, 1,000 for milliseconds; None if they are something else.
    """
    present = numbers[np.isfinite(numbers)]
    if not len(present):
        return None
    for scale in (1.0, 1_000.0):
        low, high = (bound * scale for bound in _EPOCH_SECONDS)
        if present.min() >= low and present.max() <= high:
            return scale
    return None


def find_zone(text: str) -> float | None:
    """Return the offset from UTC of a time, in seconds; None if its text states none."""
    normalized = _normalized(text)
    for pattern in (_YEAR_FIRST, _YEAR_LAST, _COMPACT):
        if (match := pattern.fullmatch(normalized)) is not None:
            return None if match["zone"] is None else _zone_seconds(match["zone"])
    return None


def _any_form(order: DayOrder) -> Parse:
    """Return the parser of dates of all forms; those with the year last have this order."""
    forms = (_parse_year_first, _parse_compact, _year_last(order is DayOrder.DAY_FIRST))

    def parse(text: str) -> float | None:
        """Parse a text."""
        return next((value for form in forms if (value := form(text)) is not None), None)

    return parse


def _find_form(sample: Sequence[str]) -> _Form:
    """Return the form that fits most of the texts."""
    if all(_parse_year_first(text) is not None for text in sample):
        return _Form(_parse_year_first)
    day_first = _Form(_year_last(day_first=True), DayOrder.DAY_FIRST)
    month_first = _Form(_year_last(day_first=False), DayOrder.MONTH_FIRST)
    forms = (_Form(_parse_year_first), _Form(_parse_compact), day_first, month_first)
    counts = [sum(form.parse(text) is not None for text in sample) for form in forms]
    best = forms[int(np.argmax(counts))]
    is_open = best is day_first and counts[2] == counts[3]
    return _assume_order(day_first, month_first, sample) if is_open else best


def _assume_order(day_first: _Form, month_first: _Form, sample: Sequence[str]) -> _Form:
    """Return the order of dates that fit both: that in which they ascend, else the day first."""
    if not any(mark in text for text in sample for mark in "/-"):
        return _Form(day_first.parse)
    ascends, month_ascends = (
        _is_ascending([form.parse(text) for text in sample]) for form in (day_first, month_first)
    )
    if month_ascends and not ascends:
        note = sentence("Its dates were read with the month first: so they ascend.")
        return replace(month_first, notes=(note,))
    if ascends == month_ascends:
        note = sentence("Its dates were read with the day first: check this.")
        return replace(day_first, notes=(note,))
    return day_first


def _is_ascending(values: Sequence[float | None]) -> bool:
    """Return whether the times never go back."""
    known = [value for value in values if value is not None]
    return all(before <= after for before, after in pairwise(known))


def _parse_year_first(text: str) -> float | None:
    """Parse `2026-03-05 08:15`, `2026/3/5`, `2026年3月5日 8时15分`."""
    match = _YEAR_FIRST.fullmatch(_normalized(text))
    return match and _to_seconds(match, int(match["month"]), int(match["day"]))


def _parse_compact(text: str) -> float | None:
    """Parse `20260305` and `20260305T081500`."""
    match = _COMPACT.fullmatch(_normalized(text))
    return match and _to_seconds(match, int(match["month"]), int(match["day"]))


def _year_last(day_first: bool) -> Parse:
    """Return the parser of `05.03.2026` and `03/05/2026`; a dot always puts the day first."""

    def parse(text: str) -> float | None:
        """Parse a text."""
        match = _YEAR_LAST.fullmatch(_normalized(text))
        if match is None:
            return None
        first, second = int(match["a"]), int(match["b"])
        day, month = (first, second) if day_first or match["mark"] == "." else (second, first)
        return _to_seconds(match, month, day)

    return parse


def _normalized(text: str) -> str:
    """Return a text in compatibility form, without spaces around it."""
    return unicodedata.normalize("NFKC", text).strip()


def _to_seconds(match: re.Match[str], month: int, day: int) -> float | None:
    """Return the seconds since 1970 of a match, in UTC if no zone is given."""
    hour, minute = int(match["hour"] or 0), int(match["minute"] or 0)
    if half := (match["half"] or "").lower():
        hour = hour % 12 + (12 if half == "pm" else 0)
    second = float((match["second"] or "0").replace(",", "."))
    try:
        date = dt.datetime(int(match["year"]), month, day, hour, minute, tzinfo=dt.UTC)
    except ValueError:
        return None
    return date.timestamp() + second - _zone_seconds(match["zone"])


def _zone_seconds(zone: str | None) -> float:
    """Return the offset of a zone from UTC in seconds."""
    if zone is None or zone in ("Z", "UTC"):
        return 0.0
    sign = -1.0 if zone.startswith("-") else 1.0
    digits = zone[1:].replace(":", "")
    return sign * (int(digits[:2]) * 3600.0 + int(digits[2:]) * 60.0)
