"""How sure a remaining life is: intervals by conformal prediction.

A machine near its end is told more exactly than a sound one, so widths differ by what was
predicted (Mondrian conformal prediction: Vovk 2005). Machines are exchangeable, cycles of one
machine are not: all cycles of a machine together weigh as much as one machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.rul.data import CAP, Floats

CONFIDENCE = 0.9
# Where one width ends and the next begins, by the predicted life in cycles.
EDGES = (15.0, 35.0, 60.0, 90.0, 115.0)


@dataclass(frozen=True, slots=True)
class Widths:
    """Half of the interval, by the predicted life: below EDGES[0], then up to each next edge."""

    halves: tuple[float, ...]

    def of(self, predicted: Floats) -> Floats:
        """[rows]"""
        places = np.digitize(predicted, EDGES)
        return np.array(self.halves, dtype=np.float32)[places]

    def around(self, predicted: Floats) -> tuple[Floats, Floats]:
        """From and to, [rows] each, within 0 and the cap."""
        half = self.of(predicted)
        return np.maximum(predicted - half, 0), np.minimum(predicted + half, np.float32(CAP))


def calibrate(predicted: Sequence[Floats], truth: Sequence[Floats]) -> Widths:
    """From machines that the model has not seen: [cycles] each of what it said and what was."""
    places = [np.digitize(one, EDGES) for one in predicted]
    errors = [np.abs(said - was) for said, was in zip(predicted, truth, strict=True)]
    halves = []
    for place in range(len(EDGES) + 1):
        each = [error[at == place] for error, at in zip(errors, places, strict=True)]
        halves.append(_quantile([one for one in each if len(one)]))
    return Widths(tuple(halves))


def _quantile(errors: Sequence[NDArray[np.float32]]) -> float:
    """The error that a new machine keeps below with CONFIDENCE: each of N machines weighs as much,
    and the new one, of which nothing is known, as much again as one of them. Where no machine was
    ever told such a life, nothing is known of the next."""
    if not errors:
        return float(CAP)
    values = np.concatenate(errors)
    weights = np.concatenate([np.full(len(one), 1 / len(one)) for one in errors])
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / (len(errors) + 1)
    at = int(np.searchsorted(reached, CONFIDENCE))
    return float(values[order][min(at, len(values) - 1)])
