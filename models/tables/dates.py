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
from models.tables.date_numbers import full_year, read_number_dates
from models.tables.date_words import has_short_year, with_month_number
from models.tables.missing import is_missing
from models.tables.table import Numbers, Texts
from models.tables.time_zones import ZONE, zone_seconds

# `8:15:00`, `8时15分`, `8点`, `8 AM`, `8 Uhr`, `08`, and `8` after a date with slashes: after
# others, it is rather the number of a shift.
_CLOCK = (
    r"(?P<hour>\d{1,2})(?:[:时点](?P<minute>\d{1,2})"
    r"(?:[:分](?P<second>\d{1,2}(?:[.,]\d+)?)秒?|分?)|[时点]|(?=\s*(?:[AaPp]\.?\s?[Mm]\b|[Uu]hr))"
    r"|(?:(?<=[\sT]\d\d)|(?<=/\d\s\d)|(?<=/\d\d\s\d)|(?<=/\d{4}\s\d))(?![\d:.,]))"
)
_HALF = r"(?:\s*(?P<half>[AaPp]\.?\s?[Mm]\.?))?(?:\s*[Uu]hr)?"
# An offset of hours alone follows a time only: `2026-03-05-01` is no date.
_TIME = (
    rf"(?:(?:[T\s,]+|(?<=日)|(?=[上下]午))(?P<noon>[上下]午)?\s*{_CLOCK}{_HALF}"
    r"(?:\s*(?P<hours>[+-]\d{2})(?![\d:]))?)?"
)
_YEAR_FIRST = re.compile(
    rf"(?P<year>\d{{4}})[-/.年](?P<month>\d{{1,2}})[-/.月](?P<day>\d{{1,2}})日?{_TIME}{ZONE}"
)
_YEAR_LAST = re.compile(
    rf"(?P<a>\d{{1,2}})(?P<mark>[-/.])(?P<b>\d{{1,2}})[-/.](?P<year>\d{{4}}|\d{{2}}){_TIME}{ZONE}"
)
_COMPACT = re.compile(
    r"(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[T ]?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?)?(?P<half>)(?P<zone>Z)?"
)
_LAST_WORD = re.compile(r"(?P<time>.*[\d.Mm])\s*\b(?P<zone>[A-Za-z]{2,5})")
_SAMPLE = 2_000
# Of dates that fit both orders, one is wrong if its longest step is so many times more unlike the
# usual one: hourly readings of the first days of March are then of the first day of each month.
_LESS_EVEN = 4.0
# Longer texts are no dates. The expressions take time with the square of the length where a cell
# has thousands of spaces: seconds for each.
_MAX_LENGTH = 100

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
    short = _has_last_years(present)
    year_last = (_year_last(True, short), _year_last(False, short))
    forms = (_parse_year_first, _parse_compact, _parse_named, *year_last)
    return max(sum(form(text) is not None for text in present) / len(present) for form in forms)


def parse_dates(texts: Texts, order: DayOrder | None = None) -> ParsedDates:
    """Return the times of a column of texts, all in the form that fits most of its cells.

    Where day and month cannot be told apart, the order is assumed in which the column ascends, or
    has the more even steps.
    With an `order`, such as that of a longer table, cells with the year last have it, and each cell
    may have a form of its own.
    """
    if (usual := _parse_usual(texts)) is not None:
        first = [str(text) for text in texts[:1]]
        zone = find_zone(first[0]) if first else None
        return ParsedDates(usual, (), _hour_notes(first), zone=zone)
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
    if sample and len(invalid) >= len(sample) and not np.isfinite(seconds).any():
        found = read_number_dates(texts)
        if found is not None:
            return ParsedDates(found.seconds, (), found.notes)
    zone = find_zone(sample[0]) if sample else None
    notes = (*form.notes, *_hour_notes(sample[:1]))
    return ParsedDates(seconds, tuple(invalid), notes, form.order, zone)


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


def find_zone(text: str) -> float | None:
    """Return the offset from UTC of a time, in seconds; None if its text states none."""
    match = _match_any(text)
    found = None if match is None else _zone_of(match)
    return None if found is None else zone_seconds(found)


def zone_hint(text: str) -> Sentence | None:
    """Return what to write instead of the name of a zone that is not read; None if it has none."""
    words = _LAST_WORD.fullmatch(_normalized(text))
    found = None if words is None else _match_any(words["time"])
    if words is None or found is None or found["hour"] is None or _match_any(text) is not None:
        return None
    return sentence(
        "The time zone {zone} is not read: write its offset from UTC instead, such as +08:00.",
        zone=words["zone"],
    )


def _match_any(text: str) -> re.Match[str] | None:
    """Return the match of a date of any form, None for other texts."""
    normalized = _normalized(text)
    normalized = with_month_number(normalized) or normalized
    matches = (form.fullmatch(normalized) for form in (_YEAR_FIRST, _YEAR_LAST, _COMPACT))
    return next((match for match in matches if match is not None), None)


def _hour_notes(sample: Sequence[str]) -> tuple[Sentence, ...]:
    """Return the note of dates such as `2026-03-05 08`, whose last number may be something else."""
    matches = [match for text in sample if (match := _match_any(text)) is not None]
    if not any(_has_bare_hour(match) for match in matches):
        return ()
    return (sentence("The last number of its dates was read as an hour: check this."),)


def _has_bare_hour(match: re.Match[str]) -> bool:
    """Return whether a time is an hour without minutes or a word."""
    if match["hour"] is None or match["minute"] is not None or match["half"]:
        return False
    return match.string[match.end("hour") :].strip()[:1] not in tuple("时点Uu")


def _any_form(order: DayOrder) -> Parse:
    """Return the parser of dates of all forms; those with the year last have this order."""
    last = _year_last(order is DayOrder.DAY_FIRST)
    forms = (_parse_year_first, _parse_compact, _parse_named, last)

    def parse(text: str) -> float | None:
        """Parse a text."""
        return next((value for form in forms if (value := form(text)) is not None), None)

    return parse


def _find_form(sample: Sequence[str]) -> _Form:
    """Return the form that fits most of the texts."""
    if all(_parse_year_first(text) is not None for text in sample):
        return _Form(_parse_year_first)
    short = _has_last_years(sample)
    day_first = _Form(_year_last(True, short), DayOrder.DAY_FIRST)
    month_first = _Form(_year_last(False, short), DayOrder.MONTH_FIRST)
    others = (_Form(_parse_year_first), _Form(_parse_compact), _Form(_parse_named))
    forms = (*others, day_first, month_first)
    counts = [sum(form.parse(text) is not None for text in sample) for form in forms]
    best = forms[int(np.argmax(counts))]
    if best is day_first and counts[3] == counts[4]:
        best = _assume_order(day_first, month_first, sample)
    return _with_year_note(best, sample) if max(counts[2:]) == max(counts) > 0 else best


def _assume_order(day_first: _Form, month_first: _Form, sample: Sequence[str]) -> _Form:
    """Return the order of dates that fit both.

    It is that in which they ascend, else that of more even steps, else the day first.
    """
    if not any(mark in text for text in sample for mark in "/-"):
        return _Form(day_first.parse)
    known, month_known = (
        [value for text in sample if (value := form.parse(text)) is not None]
        for form in (day_first, month_first)
    )
    ascends, month_ascends = _is_ascending(known), _is_ascending(month_known)
    if month_ascends and not ascends:
        note = sentence("Its dates were read with the month first: so they ascend.")
        return replace(month_first, notes=(note,))
    if ascends and not month_ascends:
        return day_first
    if _unevenness(known) > _LESS_EVEN * _unevenness(month_known):
        note = sentence("Its dates were read with the month first: so their steps are even.")
        return replace(month_first, notes=(note,))
    note = sentence(
        "Its dates were read with the day first: check this. If the month comes first, write them "
        "as 2026-03-05."
    )
    return replace(day_first, notes=(note,))


def _with_year_note(form: _Form, sample: Sequence[str]) -> _Form:
    """Return the form of dates with the year last, with a note if years have two digits."""
    if not any(_short_parts(text) or has_short_year(_normalized(text)) for text in sample):
        return form
    note = sentence("The last number of its dates was read as a year of two digits: check this.")
    return replace(form, notes=(*form.notes, note))


def _has_last_years(sample: Sequence[str]) -> bool:
    """Return whether the last number of dates such as `26/03/05` can be their year.

    A year changes less often than the day: else the first number is the year.
    """
    found = [parts for text in sample if (parts := _short_parts(text))]
    first, second, last = (len({parts[at] for parts in found}) for at in range(3))
    return last <= max(first, second)


def _short_parts(text: str) -> tuple[str, str, str] | None:
    """Return the numbers of a date with two digits of the year, None for other texts."""
    match = _YEAR_LAST.fullmatch(_normalized(text))
    if match is None or len(match["year"]) > 2:
        return None
    return match["a"], match["b"], match["year"]


def _is_ascending(values: Sequence[float]) -> bool:
    """Return whether the times never go back."""
    return all(before <= after for before, after in pairwise(values))


def _unevenness(values: Sequence[float]) -> float:
    """Return the longest step between times, of any order, by the usual one; 1 if all are equal."""
    steps = np.diff(np.unique(values))
    return float(steps.max() / np.median(steps)) if len(steps) else 1.0


def _parse_year_first(text: str) -> float | None:
    """Parse `2026-03-05 08:15`, `2026/3/5`, `2026年3月5日 8时15分`."""
    match = _YEAR_FIRST.fullmatch(_normalized(text))
    return match and _to_seconds(match, int(match["month"]), int(match["day"]))


def _parse_compact(text: str) -> float | None:
    """Parse `20260305` and `20260305T081500`."""
    match = _COMPACT.fullmatch(_normalized(text))
    return match and _to_seconds(match, int(match["month"]), int(match["day"]))


def _parse_named(text: str) -> float | None:
    """Parse `5-Mar-2026`, `5. März 2026 08:15`, `Mar 5, 2026`."""
    dated = with_month_number(_normalized(text))
    return None if dated is None else _parse_year_first(dated)


def _year_last(day_first: bool, short_years: bool = True) -> Parse:
    """Return the parser of `05.03.2026` and `03/05/2026`; a dot always puts the day first.

    Years of two digits need a time of day or, so that no number of a part or of a version is taken
    for a date, two digits everywhere and no hyphens.
    """

    def parse(text: str) -> float | None:
        """Parse a text."""
        match = _YEAR_LAST.fullmatch(_normalized(text))
        if match is None:
            return None
        if len(match["year"]) == 2 and not (short_years and _is_surely_date(match)):
            return None
        first, second = int(match["a"]), int(match["b"])
        day, month = (first, second) if day_first or match["mark"] == "." else (second, first)
        return _to_seconds(match, month, day)

    return parse


def _is_surely_date(match: re.Match[str]) -> bool:
    """Return whether a match with two digits of the year is a date."""
    if match["minute"] is not None or match["half"]:
        return True
    return len(match["a"]) == len(match["b"]) == 2 and match["mark"] != "-"


def _normalized(text: str) -> str:
    """Return a text in compatibility form, without spaces around it; empty if it is too long."""
    if len(text) > _MAX_LENGTH:
        return ""
    normalized = unicodedata.normalize("NFKC", text).strip()
    return normalized if len(normalized) <= _MAX_LENGTH else ""


def _to_seconds(match: re.Match[str], month: int, day: int) -> float | None:
    """Return the seconds since 1970 of a match, in UTC if no zone is given."""
    hour, minute = _hour_of(match), int(match["minute"] or 0)
    if hour is None:
        return None
    second = float((match["second"] or "0").replace(",", "."))
    try:
        date = dt.datetime(full_year(match["year"]), month, day, hour, minute, tzinfo=dt.UTC)
    except ValueError:
        return None
    return date.timestamp() + second - zone_seconds(_zone_of(match))


def _hour_of(match: re.Match[str]) -> int | None:
    """Return the hour of a match from 0, None if there is none, such as 13 before noon."""
    hour, groups = int(match["hour"] or 0), match.groupdict()
    half = (groups.get("noon") or match["half"] or "").lower()
    if not half:
        return hour
    is_late = half[0] in "p下"
    if hour > 12 and not is_late:
        return None
    return hour % 12 + (12 if is_late else 0)


def _zone_of(match: re.Match[str]) -> str | None:
    """Return the zone of a match, None if there is none."""
    hours = match.groupdict().get("hours")
    return match["zone"] if hours is None else f"{hours}00"
