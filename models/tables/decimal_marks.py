"""Whether the commas of a file's numbers are decimal marks, by all of its columns."""

import re
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum

COMMA, POINT = ",", "."
_COMMA_DELIMITERS = (";", "\t")
# Whole numbers and fractions of which only one mark can be the decimal one: `1,5`, `0,123`,
# `1234,567`, `1.234,5`, and the same with a point.
_ONLY_COMMA, _ONLY_POINT = (
    re.compile(
        rf"[-+]?(?:\d{{1,3}}(?:{other}\d{{3}})+{mark}\d*|[1-9]\d{{0,2}}(?:{other}\d{{3}}){{2,}}"
        rf"|0+{mark}\d+|\d{{4,}}{mark}\d+"
        rf"|\d*{mark}(?:\d{{1,2}}|\d{{4,}})|\d+{mark}\d+[eE][-+]?\d+)(?:[eE][-+]?\d+)?"
    )
    for mark, other in ((",", r"\."), (r"\.", ","))
)
# A line with a point that can be no separator of thousands.
_POINT_LINE = re.compile(r"(?m)^(?!\s*[-+]?[1-9]\d{0,2}(?:\.\d{3})+\s*$)[^\n]*\.[^\n]*\d")
_POINT_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+")
_CELL = re.compile(r"(?P<number>[-+]?[\d.,]*\d(?:[eE][-+]?\d+)?)(?:\s*[^\d\s.,].{0,23})?")
_SAMPLE = 2_000
# A column is one of numbers if so many of its cells begin with one.
_MIN_SHARE = 0.9


class DecimalMark(StrEnum):
    """The decimal mark of a file's numbers.

    LIKELY_COMMA: its cells are separated by semicolons or tabs, or have both marks.
    """

    COMMA = "comma"
    LIKELY_COMMA = "likely_comma"
    POINT = "point"
    UNKNOWN = "unknown"


def marks_of_numbers(numbers: Iterable[str]) -> frozenset[str]:
    """Return the decimal marks that numbers have for sure, of COMMA and POINT."""
    found = set()
    for number in numbers:
        if _ONLY_COMMA.fullmatch(number):
            found.add(COMMA)
        elif _ONLY_POINT.fullmatch(number):
            found.add(POINT)
        if len(found) == 2:
            break
    return frozenset(found)


def marks_of_texts(texts: Sequence[str]) -> frozenset[str]:
    """Return the decimal marks of a column of texts; none if it is not one of numbers."""
    sample = [text for text in texts[:: max(1, len(texts) // _SAMPLE)] if text]
    numbers = [match["number"] for text in sample if (match := _CELL.fullmatch(text))]
    return marks_of_numbers(numbers) if len(numbers) >= _MIN_SHARE * len(sample) else frozenset()


def has_decimal_points(lines: str) -> bool:
    """Return whether one of the lines, each a number, has a point that is a decimal mark."""
    return POINT in lines and _POINT_LINE.search(lines) is not None


def is_thousands(number: str) -> bool:
    """Return whether the points of a number can be separators of thousands, as in `1.234`."""
    return _POINT_THOUSANDS.fullmatch(number) is not None


def decide_mark(marks: Collection[str], delimiter: str) -> DecimalMark:
    """Return the decimal mark of a file by the marks of its columns and what separates cells."""
    if COMMA in marks:
        return DecimalMark.LIKELY_COMMA if POINT in marks else DecimalMark.COMMA
    if POINT in marks:
        return DecimalMark.POINT
    is_likely = delimiter in _COMMA_DELIMITERS
    return DecimalMark.LIKELY_COMMA if is_likely else DecimalMark.UNKNOWN
