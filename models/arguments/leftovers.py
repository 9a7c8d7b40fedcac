"""Assign quantities that no word names: by their kind, their order, or as the only ones left."""

import re
from collections.abc import Sequence

from models.arguments.conversion import convert, is_in_range
from models.arguments.notations import PIECES, kind_of
from models.arguments.quantities import Quantity
from models.arguments.values import Reading
from models.signature import InputField

NEW = "new_"
OTHER_COUNT = "Hz"  # converts to rpm, but is mostly the frequency of a supply
# Kinds of which people name amounts that belong to no column: a duration needs a word.
_NEEDS_WORD = frozenset({"time", "share", "pieces"})
# A plural that is no measure: `5200 brackets`, `1480 gear wheels`.
_THINGS = re.compile(
    r"\s+(?:[a-z-]{3,}\s+)?(?!(?:hours|hrs|mins|minutes|secs|seconds|days|weeks|months|years|shifts|times|degrees|revs"
    r"|turns|points|lines|machines|operators|people|workers|employees|samples|readings|values|rows|lots|phases"
    r"|units of|tonnes|tons|kgs|lbs|bars|amps|volts|watts|is|was|has|as|this|us)\b)[a-z-]{2,}s\b",
    re.IGNORECASE,
)
# Fewer are machines, shifts or people.
_MIN_COUNT = 20
_OF_THINGS = re.compile(r"\b[a-z]{3,}s:\s*$", re.IGNORECASE)
# The first is always the smaller one: the formulas refuse anything else.
ORDERED = (
    ("equivalent_load", "dynamic_load_rating"),
    ("actual_production_time", "planned_busy_time"),
    ("good_quantity", "produced_quantity"),
)


def assign_pairs(
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    readings: dict[str, Reading],
    used: set[int],
) -> set[int]:
    """Assign two quantities of one kind to a column and its `new_` one, in the text's order."""
    taken: set[int] = set()
    by_name = {field.name: field for field in fields}
    for name, new in by_name.items():
        old = by_name.get(name.removeprefix(NEW))
        if not name.startswith(NEW) or old is None:
            continue
        free = [one for one in (old, new) if one.name not in readings]
        found = natural(new, quantities, used)
        if len(free) == 2 and len(found) == 1:  # the new one is what is asked for
            free = [old]
        if len(found) != len(free):
            continue
        for field, (index, value) in zip(free, found, strict=True):
            readings[field.name] = Reading(field.name, value, quantities[index].text)
            taken.add(index)
    return taken


def assign_ordered(
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    readings: dict[str, Reading],
    used: set[int],
) -> set[int]:
    """Assign two quantities of one kind to two columns of which one is always the smaller."""
    taken: set[int] = set()
    by_name = {field.name: field for field in fields}
    for smaller, larger in ORDERED:
        if not {smaller, larger} <= by_name.keys() or {smaller, larger} & readings.keys():
            continue
        found = sorted(natural(by_name[larger], quantities, used), key=lambda one: one[1])
        if len(found) != 2 or found[0][1] == found[1][1]:
            continue
        for name, (index, value) in zip((smaller, larger), found, strict=True):
            if is_in_range(value, by_name[name]):
                readings[name] = Reading(name, value, quantities[index].text)
                taken.add(index)
    return taken


def assign_only_ones(
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    readings: dict[str, Reading],
    used: set[int],
) -> set[int]:
    """Assign a quantity without a word to the only column of its kind that has no value."""
    taken: set[int] = set()
    for field in fields:
        if field.name in readings or field.unit in (None, "1"):
            taken |= _assign_share(field, fields, quantities, readings, used | taken)
            continue
        rivals = [
            one
            for one in fields
            if one.name not in readings and kind_of(one.unit) == kind_of(field.unit)
        ]
        found = natural(field, quantities, used | taken)
        is_one_value = len({value for _, value in found}) == 1  # `same 1770 rpm`
        if len(rivals) != 1 or not is_one_value:
            continue
        index, value = found[0]
        needs_word = kind_of(field.unit) in _NEEDS_WORD
        if needs_word and all(unit != field.unit for _, unit in quantities[index].units):
            continue
        readings[field.name] = Reading(field.name, value, quantities[index].text)
        taken.add(index)
    return taken


def assign_counted(
    text: str,
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    readings: dict[str, Reading],
    used: set[int],
) -> set[int]:
    """Assign the only number of things to the only column of pieces: `96 brackets`."""
    columns = [one for one in fields if one.unit == PIECES and one.name not in readings]
    counted = [
        index
        for index, one in enumerate(quantities)
        if index not in used and not one.units and one.value >= _MIN_COUNT
        if one.value % 1 == 0
        if _THINGS.match(text, one.end) or _OF_THINGS.search(text, 0, one.start)
    ]
    if len(columns) != 1 or len(counted) != 1:
        return set()
    quantity = quantities[counted[0]]
    if not is_in_range(quantity.value, columns[0]):
        return set()
    readings[columns[0].name] = Reading(columns[0].name, quantity.value, quantity.text)
    return set(counted)


def _assign_share(
    field: InputField,
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    readings: dict[str, Reading],
    used: set[int],
) -> set[int]:
    """Assign the only decimal below 1 without a unit to the only column that is such a share."""
    shares = [one for one in fields if one.unit == "1" and one.maximum == 1.0]
    if field.name in readings or shares != [field]:
        return set()
    bare = [
        index
        for index, one in enumerate(quantities)
        if index not in used and not one.units and 0.0 < one.value < 1.0
        if is_in_range(one.value, field)
    ]
    if len(bare) != 1:
        return set()
    quantity = quantities[bare[0]]
    readings[field.name] = Reading(field.name, quantity.value, quantity.text)
    return set(bare)


def natural(
    field: InputField, quantities: Sequence[Quantity], used: set[int]
) -> list[tuple[int, float]]:
    """Return the unused quantities that have a unit of the column's kind and are in its range."""
    found = []
    for index, quantity in enumerate(quantities):
        if index in used or any(unit == OTHER_COUNT for _, unit in quantity.units):
            continue
        value = convert(quantity.value, quantity.units, field)
        if value is not None and is_in_range(value, field):
            found.append((index, value))
    return found
