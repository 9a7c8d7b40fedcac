"""Predicate: whether a figure is the same quantity in another unit.

Made up, in English and Chinese; false figures have a typical mistake: a wrong factor, or the factor
the wrong way round.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.decision_calibration.questions import predicate
from models.decision_calibration.tasks.labelled_question import LabelledQuestion

_SEED, _COUNT = 13, 160
_WRONG_FACTORS = (0.1, 10.0, 100.0)


@dataclass(frozen=True, slots=True)
class _Conversion:
    """A quantity in a unit, and the factor to another one; `values` are what may be read."""

    english: str
    chinese: str
    unit: str
    other: str
    factor: float
    values: tuple[float, ...]


_CONVERSIONS = (
    _Conversion("pressure", "压力", "bar", "kPa", 100.0, (0.8, 2.5, 6.0, 12.0)),
    _Conversion("speed", "转速", "rpm", "Hz", 1 / 60, (900, 1500, 2940, 3600)),
    _Conversion("length", "长度", "mm", "µm", 1000.0, (0.02, 0.15, 1.2)),
    _Conversion("mass", "质量", "t", "kg", 1000.0, (0.35, 1.8, 24)),
    _Conversion("flow", "流量", "m³/h", "L/min", 1000 / 60, (3, 12, 45)),
    _Conversion("power", "功率", "kW", "W", 1000.0, (0.55, 7.5, 37)),
    _Conversion("duration", "时间", "h", "min", 60.0, (0.5, 1.25, 8)),
    _Conversion("torque", "扭矩", "kN·m", "N·m", 1000.0, (0.04, 1.6, 5)),
)


def load(_directory: Path) -> Sequence[LabelledQuestion]:
    """Load the questions. Needs no training set."""
    generator = random.Random(_SEED)  # noqa: S311
    return [_question(number, generator) for number in range(_COUNT)]


def _question(number: int, generator: random.Random) -> LabelledQuestion:
    """Return a reading and the statement of its value in another unit."""
    is_english, is_true = bool(number & 1), bool(number & 2)
    one = generator.choice(_CONVERSIONS)
    value = generator.choice(one.values) * generator.choice((1.0, 1.1, 1.3))
    factor = one.factor if is_true else _wrong_factor(one.factor, generator)
    stated = f"{value * factor:.4g} {one.other}"
    if is_english:
        context = f"The gauge of machine {number} shows a {one.english} of {value:.4g} {one.unit}."
        statement = f"The {one.english} is about {stated}."
    else:
        context = f"{number} 号设备的仪表显示{one.chinese}为 {value:.4g} {one.unit}。"
        statement = f"{one.chinese}约为 {stated}。"
    return LabelledQuestion(
        f"conversions/{number}", context, predicate(statement), 0 if is_true else 1
    )


def _wrong_factor(factor: float, generator: random.Random) -> float:
    """Return a factor that is clearly wrong."""
    wrong = [factor * one for one in _WRONG_FACTORS] + [1 / factor]
    return generator.choice([one for one in wrong if abs(one / factor - 1) > 0.5])
