"""Numbers that are times: seconds or milliseconds since 1970, or days as Excel counts them."""

from dataclasses import dataclass

import numpy as np

from models.sentences import Sentence, sentence
from models.tables.decimal_marks import DecimalMark
from models.tables.numbers import parse_numbers
from models.tables.table import Numbers, Texts

# Numbers that are seconds or milliseconds since 1970, from 1990 to 2100.
_EPOCH_SECONDS = (631_152_000.0, 4_102_444_800.0)
# Days since 1899-12-30, as Excel has them: those that a customer calls times, and those from 2000
# to 2050 that are taken for times if they lie on whole seconds.
_EXCEL_DAYS, _SURE_EXCEL_DAYS = (20_000.0, 60_000.0), (36_526.0, 55_153.0)
_EXCEL_EPOCH, _DAY = 25_569.0, 86_400.0
# Two-digit years from here on are of the last century.
_PIVOT = 70


@dataclass(frozen=True, slots=True)
class NumberDates:
    """Times as seconds since 1970, NaN where missing. notes: what was assumed."""

    seconds: Numbers
    notes: tuple[Sentence, ...] = ()


def dates_of_numbers(
    numbers: Numbers, *, are_stated: bool = False, are_days: bool = False
) -> NumberDates | None:
    """Return a column's numbers as times, None if they are something else.

    They are seconds or milliseconds since 1970, or days as Excel counts them, with a note.
    are_days: whether whole days are meant. are_stated: whether a customer says that they are times;
    else days must lie on whole seconds or minutes, which readings of a counter do not.
    """
    present = numbers[np.isfinite(numbers)]
    if not len(present):
        return None
    low, high = float(present.min()), float(present.max())
    for scale in (1.0, 1_000.0):
        if low >= _EPOCH_SECONDS[0] * scale and high <= _EPOCH_SECONDS[1] * scale:
            return NumberDates(numbers / scale)
    bounds = _EXCEL_DAYS if are_stated else _SURE_EXCEL_DAYS
    if not (bounds[0] <= low and high <= bounds[1]):
        return None
    if not (are_stated or _are_excel_times(present, are_days)):
        return None
    seconds = np.round((numbers - _EXCEL_EPOCH) * _DAY)
    first, last = (np.datetime64(round((day - _EXCEL_EPOCH) * _DAY), "s") for day in (low, high))
    note = sentence(
        "Its numbers were read as dates of Excel, from {first} to {last}: check this.",
        first=str(first),
        last=str(last),
    )
    return NumberDates(seconds, (note,))


def full_year(digits: str) -> int:
    """Return the year of two or four digits; of two, those of this century up to 69."""
    year = int(digits)
    return year if len(digits) > 2 else year + (1900 if year >= _PIVOT else 2000)


def _are_excel_times(days: Numbers, are_days: bool) -> bool:
    """Return whether numbers are times of the clock as parts of days, or `are_days` and whole."""
    if np.all(days % 1 == 0):
        return are_days
    seconds = (days - _EXCEL_EPOCH) * _DAY
    # Excel shows five to eleven decimals: half a second or much less.
    on_seconds = np.abs(seconds - np.round(seconds)).max() < 0.1
    on_minutes = np.abs(seconds - 60 * np.round(seconds / 60)).max() < 0.5
    has_decimals = np.abs(days * 100 - np.round(days * 100)).max() > 1e-4
    return bool(has_decimals and (on_seconds or on_minutes))


def read_number_dates(texts: Texts) -> NumberDates | None:
    """Return texts that are all numbers as times; None if they are something else.

    A call has no file that tells what its commas and points are: what makes its numbers times is
    right, so that `46,086` is the day that it was in the training.
    """
    for mark in (DecimalMark.UNKNOWN, DecimalMark.COMMA):
        parsed = parse_numbers(texts, mark)
        if parsed.invalid or parsed.unit:
            return None
        found = dates_of_numbers(parsed.values, are_stated=True)
        if found is not None:
            return found
    return None
