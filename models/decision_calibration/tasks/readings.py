"""Predicate: whether a reading in a log entry is beyond its limit, which the entry names.

Entries are made up, in English and Chinese; as many statements are true as false.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.decision_calibration.questions import predicate
from models.decision_calibration.tasks.labelled_question import LabelledQuestion

_SEED, _COUNT = 11, 240
_SHOWN = 3
# How far readings lie from their limit, as a share of it.
_NEAREST, _FARTHEST = 0.05, 0.45


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A quantity with its limits, which are upper limits unless `is_minimum`."""

    english: str
    chinese: str
    unit: str
    limits: tuple[float, ...]
    digits: int
    is_minimum: bool = False


_QUANTITIES = (
    _Quantity("vibration", "振动", "mm/s", (2.8, 4.5, 7.1), 1),
    _Quantity("bearing temperature", "轴承温度", "°C", (70, 80, 95), 0),
    _Quantity("motor current", "电机电流", "A", (12, 36, 88), 1),
    _Quantity("oil pressure", "油压", "bar", (1.5, 2.2), 2, is_minimum=True),
    _Quantity("coolant flow", "冷却液流量", "L/min", (20, 45), 1, is_minimum=True),
    _Quantity("tank level", "液位", "%", (15, 30), 0, is_minimum=True),
)


def load(_directory: Path) -> Sequence[LabelledQuestion]:
    """Load the questions. Needs no training set."""
    generator = random.Random(_SEED)  # noqa: S311
    return [_question(number, generator) for number in range(_COUNT)]


def _question(number: int, generator: random.Random) -> LabelledQuestion:
    """Return an entry with several readings and a statement about one of them."""
    is_english, states_beyond, is_true = (bool(number & bit) for bit in (1, 2, 4))
    shown = generator.sample(_QUANTITIES, _SHOWN)
    asked = shown[generator.randrange(_SHOWN)]
    lines = [
        _line(one, is_english, states_beyond == is_true if one is asked else None, generator)
        for one in shown
    ]
    name = f"{generator.choice('ABCDFHKP')}-{generator.randrange(100, 1000)}"
    context = f"{name}: {'; '.join(lines)}." if is_english else f"{name}：{'；'.join(lines)}。"
    statement = _statement(asked, is_english, states_beyond)
    return LabelledQuestion(
        f"readings/{number}", context, predicate(statement), 0 if is_true else 1
    )


def _line(
    one: _Quantity, is_english: bool, is_beyond: bool | None, generator: random.Random
) -> str:
    """Return a reading with its limit; None for `is_beyond` leaves it to chance."""
    limit = generator.choice(one.limits)
    beyond = generator.random() < 0.5 if is_beyond is None else is_beyond
    distance = limit * generator.uniform(_NEAREST, _FARTHEST)
    value = limit + distance if beyond != one.is_minimum else limit - distance
    figures = f"{value:.{one.digits}f} {one.unit}", f"{limit:g} {one.unit}"
    if is_english:
        return "{} {} (allowed: at {} {})".format(
            one.english, figures[0], "least" if one.is_minimum else "most", figures[1]
        )
    bound = "不低于" if one.is_minimum else "不高于"
    return f"{one.chinese} {figures[0]}（要求{bound} {figures[1]}）"


def _statement(one: _Quantity, is_english: bool, states_beyond: bool) -> str:
    """Return the statement that the reading is beyond its limit, or within it."""
    if is_english:
        return f"The {one.english} is {'not ' if states_beyond else ''}within what is allowed."
    return f"{one.chinese}{'不' if states_beyond else ''}符合要求。"
