"""Predicate: whether a milling machine fails at an operating point told in words (AI4I 2020).

As many operating points without a failure as with one.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from models.decision_calibration.questions import predicate
from models.decision_calibration.tasks.labelled_question import LabelledQuestion
from models.failure_class import data
from models.failure_class.data import OperatingPoints

_SEED = 5
_STATEMENT = "The machine fails at this operating point."


def load(directory: Path) -> Sequence[LabelledQuestion]:
    """Load the questions. Raises TrainingDataMissing."""
    dataset = data.load(directory)
    failed = [row for row, label in enumerate(dataset.failed) if label]
    sound = [row for row, label in enumerate(dataset.failed) if not label]
    rows = failed + random.Random(_SEED).sample(sound, len(failed))  # noqa: S311
    return [
        LabelledQuestion(
            f"milling/{row}",
            describe(dataset.points, row),
            predicate(_STATEMENT),
            0 if dataset.failed[row] else 1,
        )
        for row in rows
    ]


def describe(points: OperatingPoints, row: int) -> str:
    """Return an operating point as a technician would write it down."""
    return (
        f"Milling machine, workpiece of quality {points.type[row]}. "
        f"Air temperature {points.air_temperature[row]:.1f} K, "
        f"process temperature {points.process_temperature[row]:.1f} K, "
        f"rotational speed {points.rotational_speed[row]:.0f} rpm, "
        f"torque {points.torque[row]:.1f} N·m, "
        f"tool wear {points.tool_wear[row]:.0f} min."
    )
