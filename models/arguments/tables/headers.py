"""Columns and units that the headers of tables, keys of JSON and names of variables mean."""

import re
from collections.abc import Iterator, Sequence

from models.arguments.conversion import convert
from models.arguments.lexicon import Strength, find_cues, names_column
from models.arguments.notations import per_piece
from models.arguments.quantities import is_unit, normalize, stated_units
from models.signature import InputField

# Longer keys and headers name no column; one of thousands of spaces would take minutes.
_MAX_NAME_LENGTH, _MAX_LABEL_LENGTH = 120, 40
_HEADER_UNIT = re.compile(r"[(\[（【]\s*([^)\]）】]{1,24}?)\s*[)\]）】]\s*$")
_RATE = re.compile(
    r"(?P<unit>(?:pcs|pieces|parts|units|件|个|只|台|片|包|箱|瓶)\s?/\s?(?:h|hr|hour|min|小时|时|分钟|分))[)\]）】]?\s*$",
    re.IGNORECASE,
)
# `计划时间h`
_GLUED = re.compile(r"(.*[一-鿿])\s?([A-Za-z°%][A-Za-z0-9°%/·]{0,7})")
_MAX_UNIT_WORDS = 3
_MIN_NAMED = 2


def field_of(name: str, fields: Sequence[InputField]) -> InputField | None:
    """Return the column that a key or header names; a unit after its name is no part of it.

    `n` may be a speed or a power: the unit decides.
    """
    if len(name) > _MAX_NAME_LENGTH:
        return None
    named = [field for field in fields if _is_named(name, field)]
    fitting = named if len(named) < 2 else [one for one in named if _has_unit_of(name, one)]
    return next(iter(fitting or named), None)


def _has_unit_of(name: str, field: InputField) -> bool:
    """Return whether the unit of a header is one of the column's quantity."""
    return _is_unit_of(unit_of_header(name, field), field)


def _is_unit_of(unit: str | None, field: InputField) -> bool:
    """Return whether a unit is one of the column's quantity; a time may be that of a piece."""
    units = stated_units(unit or "")
    is_own = convert(1.0, units, field) is not None
    return is_own or convert(1.0, per_piece(units), field) is not None


def _any_unit(name: str) -> str | None:
    """Return the unit at the end of any name, None without one."""
    match = _HEADER_UNIT.search(name)
    if match is not None:
        return match[1] if is_unit(match[1]) else None
    return next((unit for _, unit in _splits(name) if is_unit(unit)), None)


def fields_of(names: Sequence[str], fields: Sequence[InputField]) -> list[InputField | None]:
    """Return the columns that the headers of one table or the keys of one object name.

    A header that names none, such as `spindle_rpm`, gets the only column left of its quantity.
    """
    found: list[InputField | None] = [field_of(name, fields) for name in names]
    found = [one if one not in found[:place] else None for place, one in enumerate(found)]
    for place, name in enumerate(names):
        if found[place] is None:
            labelled = _field_of_words(name, fields)
            found[place] = labelled if labelled not in found else None
    if sum(one is not None for one in found) >= _MIN_NAMED:
        _add_by_unit(names, fields, found)
    return found


def _add_by_unit(
    names: Sequence[str], fields: Sequence[InputField], found: list[InputField | None]
) -> None:
    """Add columns by the units of headers that name none, where no two may be meant."""
    left = [one for one in fields if one not in found and one.unit is not None]
    fitting = {
        place: [one for one in left if _is_unit_of(_any_unit(name), one)]
        for place, name in enumerate(names)
        if found[place] is None and len(name) <= _MAX_LABEL_LENGTH
    }
    for place, columns in fitting.items():
        if len(columns) == 1 and sum(columns == other for other in fitting.values()) == 1:
            found[place] = columns[0]


def labelled_field(label: str, fields: Sequence[InputField]) -> InputField | None:
    """Return the column that the first cell of a line names: the only one that its words name."""
    return field_of(label, fields) or _field_of_words(label, fields)


def _field_of_words(label: str, fields: Sequence[InputField]) -> InputField | None:
    """Return the only column that words within a label name."""
    if len(label) > _MAX_LABEL_LENGTH:
        return None
    cues = find_cues(normalize(label), tuple(fields))
    columns = {cue.column for cue in cues if cue.strength is Strength.NAME}
    return next((one for one in fields if {one.name} == columns), None)


def unit_of_header(name: str, field: InputField) -> str | None:
    """Return the unit that a header has in brackets or after its name, None without one.

    Brackets may have a note: `torque (max)`. `torque_kNm` has a unit if the column is `torque`.
    """
    if name == field.name:
        return None
    if rate := _RATE.search(name):
        return rate["unit"]
    if _HEADER_UNIT.search(name) is None:
        unit = _unit_after(name, field)
        if unit is not None or names_column(name, field):
            return unit
    return _any_unit(name)


def _is_named(name: str, field: InputField) -> bool:
    """Return whether a key or header names a column, also as `torque_Nm` or `idealCycle_s`."""
    return names_column(name, field) or _unit_after(name, field) is not None


def _unit_after(name: str, field: InputField) -> str | None:
    """Return the unit at the end of a column's name, None if it is not its name or has none."""
    for stem, unit in _splits(name):
        if (stem == field.name or names_column(stem, field)) and is_unit(unit):
            return unit
    return None


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to divide a name into words and a unit: `flow/L/min`, `flow_m3_per_h`."""
    stem, slash, unit = name.partition("/")
    if slash and stem.strip() and not is_unit(re.split(r"[_\s]+", stem.strip())[-1]):
        yield stem.strip(), unit.strip()
    if match := _GLUED.fullmatch(name):
        yield match[1], match[2]
    words = re.split(r"[_\s]+", name.strip())
    for count in range(min(_MAX_UNIT_WORDS, len(words) - 1), 0, -1):
        yield " ".join(words[:-count]), " ".join(words[-count:])
