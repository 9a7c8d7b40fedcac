"""Hyperparameters of an anomaly detector and the number of rows that fitting requires."""

from dataclasses import dataclass

import numpy as np

from models.anomaly.detector import Floats

QUANTILE = 0.99
# Averaging time of a slow sensor's baseline, in multiples of `Settings.memory`: it must be longer
# than the anomalies to detect.
BASELINE_MEMORIES = 5
# Normal rows required in total and for each sensor, in multiples of `Settings.memory`: with fewer
# rows, the distances of the fitted rows do not generalize. Measured by few_rows.py, see the card:
# on 8 sensors, F1 is .82 with 400 rows, .81 with 250 and .74 with 200 or fewer. A fifth of a file
# is held out, so a file requires a quarter more.
MIN_MEMORIES = 10
MIN_MEMORIES_PER_SENSOR = 2
# From this number of rows, nine in ten fits of up to four sensors raise false alarms in less than
# 13 % of the steps; with fewer rows a customer is warned that the alarm limit is unreliable.
RELIABLE_ROWS = 1600
# One in five normal rows is held out for the score.
HELD_OUT_DIVISOR = 5
# Range of the sensitivity at fitting; the alarm limit is divided by it.
MIN_SENSITIVITY, MAX_SENSITIVITY = 0.25, 4.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Hyperparameters of an EWMA anomaly detector.

    memory: averaging time of the EWMA, in steps. caution: safety margin of the alarm limit; with
    this many multiples of `memory` in normal rows, the limit is twice the quantile of the fitted
    distances, and with more rows less. trimmed: share of the fitted averages with the largest
    distances that is left out of the covariance (trimmed estimate). sensitivity: divisor of the
    alarm limit.
    """

    memory: float = 20.0
    caution: float = 50.0
    trimmed: float = 0.05
    sensitivity: float = 1.0

    def min_fit_rows(self, sensors: int) -> int:
        """Return the number of normal rows required to fit a detector of `sensors` sensors."""
        return int(self.memory * max(MIN_MEMORIES, MIN_MEMORIES_PER_SENSOR * sensors))

    def min_file_rows(self, sensors: int) -> int:
        """Return the number of normal rows a training file requires, held-out rows included."""
        return -(-self.min_fit_rows(sensors) * HELD_OUT_DIVISOR // (HELD_OUT_DIVISOR - 1))

    @property
    def min_stretch_rows(self) -> int:
        """Number of rows in a normal stretch for a slow sensor's baseline to converge."""
        return int(self.memory * BASELINE_MEMORIES)

    def alarm_limit(self, distances: Floats) -> float:
        """Return the alarm limit from the distances of normal rows, [rows]."""
        memories = len(distances) / self.memory
        quantile = np.quantile(distances, QUANTILE)
        return float(quantile * (1.0 + self.caution / memories) / self.sensitivity)
