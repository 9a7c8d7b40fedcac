"""Values that a text states relative to another one: `10 K above the air`, `90 % of its speed`."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from models.arguments.conversion import is_in_range
from models.arguments.quantities import Quantity
from models.arguments.values import Reading, Source
from models.signature import InputField

# A difference of temperatures has no offset.
_KELVINS: Mapping[str, float] = {"K": 1.0, "degC": 1.0, "degF": 5 / 9, "degR": 5 / 9}
_REACH = 40


@dataclass(frozen=True, slots=True)
class _Relation:
    """A column that follows from another one (`base`) and a quantity with one of these units.

    The quantity has the words of `before` or of `after` beside it.
    """

    column: str
    base: str
    factors: Mapping[str, float]
    before: re.Pattern[str]
    after: re.Pattern[str]
    combine: Callable[[float, float], float]


_RELATIONS = (
    _Relation(
        "process_temperature",
        "air_temperature",
        _KELVINS,
        re.compile(
            r"(?:过程|工艺|工序|加工|切削)区?(?:的)?温度?比[一-鿿]{1,8}?(?:要)?(?:高出?|热)了?"
            r"(?:约|大约|大概)?\s*$"
        ),
        re.compile(
            r"\s*(?:hotter|warmer|higher|above)\s+(?:than\s+)?(?:the\s+)?"
            r"(?:air|ambient|room|shop|hall|surroundings)\b",
            re.IGNORECASE,
        ),
        lambda base, value: base + value,
    ),
    _Relation(
        "new_rotational_speed",
        "rotational_speed",
        {"%": 0.01},
        re.compile(r"(?:(?:原来?|现在?|额定|当前|目前)的?转速|铭牌(?:转速)?)的\s*$"),
        re.compile(
            r"\s*(?:of (?:its |the )?(?:present |current |full |rated |nominal |original |existing "
            r"|normal |old )?(?:rotational )?speed\b|的?(?:原来?|额定|当前|现在?)的?转速)",
            re.IGNORECASE,
        ),
        lambda base, value: base * value,
    ),
)


def find_relative(
    text: str, fields: Sequence[InputField], quantities: Sequence[Quantity]
) -> dict[str, int]:
    """Return the index of the quantity that says how a column differs from another one."""
    names = {one.name for one in fields}
    found: dict[str, int] = {}
    for relation in _RELATIONS:
        if {relation.column, relation.base} <= names:
            index = _first_of(text, relation, quantities)
            if index is not None:
                found[relation.column] = index
    return found


def relative_readings(
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    found: Mapping[str, int],
    readings: Mapping[str, Reading],
) -> list[Reading]:
    """Return the readings that follow from their base's, for columns without a reading."""
    derived = []
    for relation in _RELATIONS:
        index, base = found.get(relation.column), readings.get(relation.base)
        if index is None or base is None or relation.column in readings:
            continue
        factor = _factor(relation, quantities[index])
        field = next(one for one in fields if one.name == relation.column)
        if factor is None or not isinstance(base.value, float):
            continue
        value = relation.combine(base.value, quantities[index].value * factor)
        if is_in_range(value, field):
            shown = f"{base.text}, {quantities[index].text}"
            rounded = float(f"{value:.9g}")
            derived.append(Reading(field.name, rounded, shown, Source.DEFINITION))
    return derived


def _first_of(text: str, relation: _Relation, quantities: Sequence[Quantity]) -> int | None:
    """Return the index of the first quantity of a relation."""
    return next(
        (
            index
            for index, one in enumerate(quantities)
            if _factor(relation, one) is not None and _is_beside(text, relation, one)
        ),
        None,
    )


def _factor(relation: _Relation, quantity: Quantity) -> float | None:
    """Return the factor of a quantity's unit, None if it has none of the relation's."""
    return next(
        (relation.factors[unit] for _, unit in quantity.units if unit in relation.factors), None
    )


def _is_beside(text: str, relation: _Relation, quantity: Quantity) -> bool:
    """Return whether a quantity has the relation's words beside it."""
    before = text[max(0, quantity.start - _REACH) : quantity.start]
    return bool(relation.before.search(before) or relation.after.match(text, quantity.end))
