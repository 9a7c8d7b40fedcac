"""Evaluate monitors on the simulated plant, beside textbook principal components.

Stands in for the Tennessee Eastman process, with its numbers: 52 columns, trained on 500 rows,
tested on 960 with faults from row 160 on. **No real data**: sizes of faults are chosen so that the
textbook method detects about four of five rows, as it does on Tennessee Eastman.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.monitoring.components import Floats
from models.monitoring.plain_components import fit_plain_components
from models.monitoring.simulated_plant import Fault, FaultKind, draw_plant, simulate
from models.monitoring.trained_calls import call_rows, train_variant

PLANTS = (1, 2, 3, 4, 5, 6)
TRAINED_ROWS, TESTED_ROWS, FAULT_ROW = 500, 960, 160
NORMAL_COURSES = 3
RATES = (0.01, 0.02, 0.03)
# The share of false alarms at which methods are compared, by a limit from the tested normal rows.
COMMON_RATE = 0.03
FAULTS = (
    Fault(FaultKind.STEP, 0, 5.4),
    Fault(FaultKind.STEP, 1, 9.0),
    Fault(FaultKind.STEP, 2, 9.0),
    Fault(FaultKind.STEP, 3, 5.4),
    Fault(FaultKind.STEP, 4, 7.2),
    Fault(FaultKind.STEP, 5, 10.8),
    Fault(FaultKind.STEP, 7, 7.2),
    Fault(FaultKind.RANDOM, 1, 7.2),
    Fault(FaultKind.RANDOM, 3, 9.0),
    Fault(FaultKind.RANDOM, 6, 5.4),
    Fault(FaultKind.RANDOM, 7, 9.0),
    Fault(FaultKind.DRIFT, 8, 16.2),
    Fault(FaultKind.DRIFT, 9, 10.8),
    Fault(FaultKind.STICKING, 2, 0.8),
    Fault(FaultKind.STICKING, 6, 0.8),
)
DIGITS = 3


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of one plant, above 1 for an alarm: of normal courses and of faults from their start.

    normal: [rows]. faults: [faults, rows].
    """

    normal: Floats
    faults: Floats

    @property
    def common_limit(self) -> float:
        """The score that a share COMMON_RATE of the normal rows exceeds."""
        return float(np.quantile(self.normal, 1 - COMMON_RATE))


def plant_figures(plants: Sequence[int] = PLANTS) -> dict[str, Any]:
    """Return false alarms and detected rows by method, ready for JSON."""
    scored: dict[str, list[Scored]] = {}
    for seed in plants:
        plant = draw_plant(seed)
        training = simulate(plant, [None], TRAINED_ROWS, 0, 100 + seed)[0]
        courses = [None] * NORMAL_COURSES
        tested = simulate(plant, [*courses, *FAULTS], TESTED_ROWS, FAULT_ROW, 200 + seed)
        plain = fit_plain_components(training)
        scored.setdefault("textbook", []).append(_split(plain.ratios(tested)))
        for rate in RATES:
            variant = train_variant([training], rate, None)
            scores = np.stack([call_rows(variant, one, output="score") for one in tested])
            scored.setdefault(f"rate_{rate}", []).append(_split(scores))
    return {"plants": len(plants), **{name: _figures(found) for name, found in scored.items()}}


def _split(scores: Floats) -> Scored:
    """Return the scores of courses, [courses, rows], apart: normal ones, and faults."""
    return Scored(scores[:NORMAL_COURSES].ravel(), scores[NORMAL_COURSES:, FAULT_ROW:])


def _figures(found: Sequence[Scored]) -> dict[str, Any]:
    """Return the figures of a method over all plants."""
    false_alarms = [float(np.mean(one.normal > 1)) for one in found]
    detected = np.stack([np.mean(one.faults > 1, axis=1) for one in found])
    at_common = [np.mean(one.faults > one.common_limit) for one in found]
    kinds = np.array([fault.kind.value for fault in FAULTS])
    return {
        "false_alarms": _round(np.mean(false_alarms)),
        "false_alarms_worst_plant": _round(max(false_alarms)),
        "detected": _round(detected.mean()),
        "detected_by_kind": {
            kind.value: _round(detected[:, kinds == kind.value].mean()) for kind in FaultKind
        },
        f"detected_at_{COMMON_RATE}": _round(np.mean(at_common)),
    }


def _round(value: float | np.floating[Any]) -> float:
    """Round a figure to DIGITS decimals."""
    return round(float(value), DIGITS)
