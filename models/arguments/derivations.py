"""Values that follow from others by definition: planned time less downtime, produced less scrap.

A column is derived only if the text does not state it. The source of the value is `definition`, and
its text shows both numbers.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from models.arguments.conversion import convert, is_in_range
from models.arguments.quantities import Quantity
from models.arguments.values import Reading, Source
from models.signature import InputField

_PIECES = "pieces"
_NEAR = 12


@dataclass(frozen=True, slots=True)
class _Difference:
    """A column that is another column less a quantity with one of these words before it."""

    column: str
    whole: str
    words: re.Pattern[str]


def _before(words: str) -> "re.Pattern[str]":
    """Return the pattern of words right before a number."""
    # `报废除外剩 257 件` states what is left.
    return re.compile(rf"(?:{words})(?:(?!除外|剩)[^\d,;。\n]){{0,{_NEAR}}}$", re.IGNORECASE)


_AFTER_SCRAP = re.compile(
    r"[^\S\n]*(?:of (?:those|these|them|which)\s+)?(?:(?:were|was|went|go|ended)\s+)?"
    r"(?:up\s+)?(?:(?:in|to|into)\s+)?(?:the\s+)?"
    r"(?:scrap(?:ped)?|rejects?|rejected|defects?|defective|bad|ng\b|不良|废品|报废|次品|坏)",
    re.IGNORECASE,
)
_AFTER_DOWNTIME = re.compile(
    r"[^\S\n]*(?:(?:of|to|for|due to)\s+)?(?:(?:un)?planned\s+)?"
    r"(?:downtime|stops?\b|stoppages?|breakdowns?|停机|停线|故障)",
    re.IGNORECASE,
)
_DIFFERENCES = (
    _Difference(
        "actual_production_time",
        "planned_busy_time",
        _before(
            r"downtime|stoppages?|stopped(?:\s+for)?|was down(?:\s+for)?|停机|停线|停了|停产|故障"
        ),
    ),
    _Difference(
        "good_quantity",
        "produced_quantity",
        _before(
            r"scrap(?:ped)?|rejects?|rejected|defects?|defective|ng|bad|不良品?数?|不合格品?|废品数?"
            r"|报废|次品|坏了?"
        ),
    ),
)
_AFTER: Mapping[str, re.Pattern[str]] = {
    "actual_production_time": _AFTER_DOWNTIME,
    "good_quantity": _AFTER_SCRAP,
}
# `100 pcs/h`: what is planned for one piece is the reciprocal.
_RATE_TIME = re.compile(
    r"\s*(?:pcs?|pieces?|parts?|units?|items?|boxes|[a-z]{3,}s|件|个|只|台|片|包|箱|瓶|块|张|条)?\s*"
    r"(?:/\s*|每\s*|per\s+|an?\s+|in (?:one|an?|1)\s+)"
    r"(?P<time>h|hr|hour|min|minute|小时|时|分钟|分)(?![A-Za-z])",
    re.IGNORECASE,
)
_RATE_COLUMN = "planned_run_time"
_HOURS = ("h", "hr", "hour", "小时", "时")


@dataclass(slots=True)
class Derivation:
    """The quantities of a text that a difference or a rate uses, found before words are matched.

    `used` are their indices: they are no values of columns themselves.
    """

    parts: dict[str, int]
    rate: int | None
    used: frozenset[int]


def find_parts(
    text: str, fields: Sequence[InputField], quantities: Sequence[Quantity]
) -> Derivation:
    """Return which quantities are downtime, scrap or a rate, if the specialist has such columns."""
    by_name = {one.name: one for one in fields}
    parts: dict[str, int] = {}
    for one in _DIFFERENCES:
        whole = by_name.get(one.whole)
        if one.column not in by_name or whole is None:
            continue
        index = _first(quantities, partial(_is_part, text, one, whole))
        if index is not None:
            parts[one.column] = index
    rate = None
    if _RATE_COLUMN in by_name:
        rate = _first(quantities, lambda it: _rate_match(text, it) is not None)
    used = {*parts.values(), *(() if rate is None else (rate,))}
    return Derivation(parts, rate, frozenset(used))


def derive(
    text: str,
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    found: Derivation,
    readings: Mapping[str, Reading],
) -> list[Reading]:
    """Return the readings that follow from parts and a rate, for columns without a reading."""
    by_name = {one.name: one for one in fields}
    derived = []
    for one in _DIFFERENCES:
        index, whole = found.parts.get(one.column), readings.get(one.whole)
        if index is None or whole is None or one.column in readings:
            continue
        part = _value(quantities[index], by_name[one.whole])
        field = by_name[one.column]
        if part is None or not isinstance(whole.value, float):
            continue
        value = whole.value - part
        if is_in_range(value, field):
            shown = f"{whole.text} - {quantities[index].text}"
            derived.append(Reading(field.name, value, shown, Source.DEFINITION))
    if found.rate is not None and _RATE_COLUMN not in readings:
        derived += _from_rate(text, quantities[found.rate], by_name[_RATE_COLUMN])
    return derived


def time_of_rate(value: float, unit: str) -> float | None:
    """Return the minutes for one piece of a rate whose unit stands apart: 75 `件/h`."""
    match = _RATE_TIME.fullmatch(unit)
    if match is None or value <= 0:
        return None
    minutes = 60.0 if match["time"].lower() in _HOURS else 1.0
    return float(f"{minutes / value:.9g}")


def _from_rate(text: str, quantity: Quantity, field: InputField) -> list[Reading]:
    """Return the planned time for one piece of a rate, none if the rate is not positive."""
    match = _rate_match(text, quantity)
    value = None if match is None else time_of_rate(quantity.value, match[0])
    if match is None or value is None:
        return []
    shown = text[quantity.start : match.end()].strip()
    return [Reading(field.name, value, shown, Source.DEFINITION)]


def _rate_match(text: str, quantity: Quantity) -> "re.Match[str] | None":
    """Return the time unit after a number of pieces, None if it is no rate."""
    is_count = not quantity.units or any(kind == _PIECES for kind, _ in quantity.units)
    return _RATE_TIME.match(text, quantity.number_end) if is_count else None


def _is_part(text: str, one: _Difference, whole: InputField, quantity: Quantity) -> bool:
    """Return whether a quantity of the whole's kind has the words of a part beside it."""
    if _value(quantity, whole) is None:
        return False
    before = text[max(0, quantity.start - 40) : quantity.start]
    return bool(one.words.search(before)) or bool(_AFTER[one.column].match(text, quantity.end))


def _value(quantity: Quantity, field: InputField) -> float | None:
    """Return a quantity in a column's unit; without a unit it is in the column's."""
    if not quantity.units:
        return quantity.value
    return convert(quantity.value, quantity.units, field)


def _first(quantities: Sequence[Quantity], is_wanted: Callable[[Quantity], bool]) -> int | None:
    """Return the index of the first quantity of which a condition is true, None for none."""
    return next((index for index, one in enumerate(quantities) if is_wanted(one)), None)
