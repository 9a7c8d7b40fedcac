"""Columns that follow from another one and a stated quantity, by words beside the quantity.

Planned time less downtime, produced less scrap, `10 K above the air`, `90 % of its speed`.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from models.arguments.conversion import is_in_range, value_in
from models.arguments.quantities import Quantity, first_index
from models.arguments.values import Reading, Source
from models.signature import InputField

# A difference of temperatures has no offset.
_KELVINS: Mapping[str, float] = {"K": 1.0, "degC": 1.0, "degF": 5 / 9, "degR": 5 / 9}
_SHARES: Mapping[str, float] = {"%": 0.01}
_REACH, _NEAR = 40, 12


def _scaled(factors: Mapping[str, float], quantity: Quantity, _base: InputField) -> float | None:
    """Return a quantity times the factor of its unit, None if it has none of these units."""
    found = (factors[unit] for _, unit in quantity.units if unit in factors)
    factor = next(found, None)
    return None if factor is None else quantity.value * factor


@dataclass(frozen=True, slots=True)
class _Relation:
    """A column that is `combine(base, amount)` of another column and of a stated quantity.

    The quantity has the words of `before` or of `after` beside it; `amount` returns it as a number,
    None for one of another kind. `joint` stands between both texts of the reading.
    """

    column: str
    base: str
    before: re.Pattern[str]
    after: re.Pattern[str]
    combine: Callable[[float, float], float]
    amount: Callable[[Quantity, InputField], float | None]
    joint: str

    def applies(self, text: str, base: InputField, quantity: Quantity) -> bool:
        """Return whether a quantity is the relation's."""
        before = text[max(0, quantity.start - _REACH) : quantity.start]
        is_beside = self.before.search(before) or self.after.match(text, quantity.end)
        return bool(is_beside) and self.amount(quantity, base) is not None


def _before(words: str) -> "re.Pattern[str]":
    """Return the pattern of words right before a number."""
    # `报废除外剩 257 件` states what is left.
    return re.compile(rf"(?:{words})(?:(?!除外|剩)[^\d,;。\n]){{0,{_NEAR}}}$", re.IGNORECASE)


_less = partial(_Relation, combine=operator.sub, amount=value_in, joint=" - ")
_RELATIONS = (
    _less(
        "actual_production_time",
        "planned_busy_time",
        _before(
            r"downtime|stoppages?|stopped(?:\s+for)?|was down(?:\s+for)?|停机|停线|停了|停产|故障"
        ),
        re.compile(
            r"[^\S\n]*(?:(?:of|to|for|due to)\s+)?(?:(?:un)?planned\s+)?"
            r"(?:downtime|stops?\b|stoppages?|breakdowns?|停机|停线|故障)",
            re.IGNORECASE,
        ),
    ),
    _less(
        "good_quantity",
        "produced_quantity",
        _before(
            r"scrap(?:ped)?|rejects?|rejected|defects?|defective|ng|bad|不良品?数?|不合格品?|废品数?"
            r"|报废|次品|坏了?"
        ),
        re.compile(
            r"[^\S\n]*(?:of (?:those|these|them|which)\s+)?(?:(?:were|was|went|go|ended)\s+)?"
            r"(?:up\s+)?(?:(?:in|to|into)\s+)?(?:the\s+)?"
            r"(?:scrap(?:ped)?|rejects?|rejected|defects?|defective|bad|ng\b|不良|废品|报废|次品|坏)",
            re.IGNORECASE,
        ),
    ),
    _Relation(
        "process_temperature",
        "air_temperature",
        re.compile(
            r"(?:过程|工艺|工序|加工|切削)区?(?:的)?温度?比[一-鿿]{1,8}?(?:要)?(?:高出?|热)了?"
            r"(?:约|大约|大概)?\s*$"
        ),
        re.compile(
            r"\s*(?:hotter|warmer|higher|above)\s+(?:than\s+)?(?:the\s+)?"
            r"(?:air|ambient|room|shop|hall|surroundings)\b",
            re.IGNORECASE,
        ),
        operator.add,
        partial(_scaled, _KELVINS),
        ", ",
    ),
    _Relation(
        "new_rotational_speed",
        "rotational_speed",
        re.compile(r"(?:(?:原来?|现在?|额定|当前|目前)的?转速|铭牌(?:转速)?)的\s*$"),
        re.compile(
            r"\s*(?:of (?:its |the )?(?:present |current |full |rated |nominal |original |existing "
            r"|normal |old )?(?:rotational )?speed\b|的?(?:原来?|额定|当前|现在?)的?转速)",
            re.IGNORECASE,
        ),
        operator.mul,
        partial(_scaled, _SHARES),
        ", ",
    ),
)


def find_related(
    text: str, fields: Sequence[InputField], quantities: Sequence[Quantity]
) -> dict[str, int]:
    """Return by column the index of the quantity that says how it follows from another column."""
    by_name = {one.name: one for one in fields}
    found: dict[str, int] = {}
    for relation in _RELATIONS:
        base = by_name.get(relation.base)
        if relation.column not in by_name or base is None:
            continue
        index = first_index(quantities, partial(relation.applies, text, base))
        if index is not None:
            found[relation.column] = index
    return found


def related_readings(
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    found: Mapping[str, int],
    readings: Mapping[str, Reading],
) -> list[Reading]:
    """Return the readings that follow from others, for columns without a reading."""
    by_name = {one.name: one for one in fields}
    derived = []
    for relation in _RELATIONS:
        index, base = found.get(relation.column), readings.get(relation.base)
        if index is None or base is None or relation.column in readings:
            continue
        amount = relation.amount(quantities[index], by_name[relation.base])
        if amount is None or not isinstance(base.value, float):
            continue
        value = float(f"{relation.combine(base.value, amount):.9g}")
        if is_in_range(value, by_name[relation.column]):
            shown = f"{base.text}{relation.joint}{quantities[index].text}"
            derived.append(Reading(relation.column, value, shown, Source.DEFINITION))
    return derived
