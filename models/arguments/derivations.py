"""Values that follow from others by definition (relations.py), or from a rate.

A column is derived only if the text does not state it. The source of the value is `definition`, and
its text shows both numbers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.arguments.quantities import Quantity, first_index
from models.arguments.relations import find_related, related_readings
from models.arguments.values import Reading, Source
from models.signature import InputField

_PIECES = "pieces"
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
    """The quantities of a text that a relation or a rate uses, found before words are matched.

    `used` are their indices: they are no values of columns themselves.
    """

    parts: dict[str, int]
    rate: int | None
    used: frozenset[int]


def find_parts(
    text: str, fields: Sequence[InputField], quantities: Sequence[Quantity]
) -> Derivation:
    """Return which quantities belong to a relation or are a rate."""
    parts = find_related(text, fields, quantities)
    rate = None
    if any(one.name == _RATE_COLUMN for one in fields):
        rate = first_index(quantities, lambda it: _rate_match(text, it) is not None)
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
    derived = related_readings(fields, quantities, found.parts, readings)
    if found.rate is not None and _RATE_COLUMN not in readings:
        derived += _from_rate(text, quantities[found.rate])
    return derived


def time_of_rate(value: float, unit: str) -> float | None:
    """Return the minutes for one piece of a rate whose unit stands apart: 75 `件/h`."""
    match = _RATE_TIME.fullmatch(unit)
    if match is None or value <= 0:
        return None
    minutes = 60.0 if match["time"].lower() in _HOURS else 1.0
    return float(f"{minutes / value:.9g}")


def _from_rate(text: str, quantity: Quantity) -> list[Reading]:
    """Return the planned time for one piece of a rate, none if the rate is not positive."""
    match = _rate_match(text, quantity)
    value = None if match is None else time_of_rate(quantity.value, match[0])
    if match is None or value is None:
        return []
    shown = text[quantity.start : match.end()].strip()
    return [Reading(_RATE_COLUMN, value, shown, Source.DEFINITION)]


def _rate_match(text: str, quantity: Quantity) -> "re.Match[str] | None":
    """Return the time unit after a number of pieces, None if it is no rate."""
    is_count = not quantity.units or any(kind == _PIECES for kind, _ in quantity.units)
    return _RATE_TIME.match(text, quantity.number_end) if is_count else None
