"""Labelled questions of several tasks, split into those to fit with and those held out."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from models.decision_calibration.tasks import (
    conversions,
    handbook,
    handbook_areas,
    levels,
    milling,
    readings,
    shift_notes,
    work_orders,
)
from models.decision_calibration.tasks.labelled_question import LabelledQuestion

_SEED = 31
LoadTask = Callable[[Path], Sequence[LabelledQuestion]]
TASKS: Mapping[str, LoadTask] = MappingProxyType(
    {
        "work_orders": work_orders.load,
        "milling": milling.load,
        "handbook": handbook.load,
        "readings": readings.load,
        "conversions": conversions.load,
        "handbook_areas": handbook_areas.load,
        "shift_notes": shift_notes.load_kinds,
        "shift_statements": shift_notes.load_statements,
        "alarm_levels": levels.load_alarms,
        "stock_levels": levels.load_stocks,
    }
)


@dataclass(frozen=True, slots=True)
class LabelledSplit:
    """The questions of one task: to fit with, and held out. No input occurs in both."""

    fitting: tuple[LabelledQuestion, ...]
    held_out: tuple[LabelledQuestion, ...]


def load_split(task: str, directory: Path, per_part: int) -> LabelledSplit:
    """Load at most `per_part` questions for each part of a task, always the same ones.

    Raises TrainingDataMissing.
    """
    questions = list(TASKS[task](directory))
    random.Random(_SEED).shuffle(questions)  # noqa: S311
    contexts = sorted({question.context for question in questions})
    random.Random(_SEED).shuffle(contexts)  # noqa: S311
    fitted = frozenset(contexts[::2])
    parts = (
        [one for one in questions if (one.context in fitted) is wanted][:per_part]
        for wanted in (True, False)
    )
    return LabelledSplit(*(tuple(part) for part in parts))
