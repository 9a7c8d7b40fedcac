"""What a detector is fitted with: its settings, and how many rows of normal hours that takes."""

from dataclasses import dataclass

import numpy as np

from models.anomaly.detector import Floats

QUANTILE = 0.99
# How long a slow sensor's baseline remembers, in memories: it has to outlast what is looked for.
BASELINE_MEMORIES = 5
# So many memories of normal hours there must be, and so many for each sensor: with fewer, the
# distances of the hours fitted on say nothing about those of other hours. Measured by few_rows.py,
# see the card: on 8 sensors, F1 is .82 with 400 rows, .81 with 250 and .74 with 200 and less. A
# fifth is held out, so a file takes a quarter more.
LEAST_MEMORIES = 10
MEMORIES_A_SENSOR = 2
# From so many rows on nine fits in ten of up to four sensors raise false alarms in less than 13 %
# of the steps; with fewer a customer is told that the limit is unsure.
RELIABLE_ROWS = 1600
# One part of so many normal rows is held out.
PARTS = 5
# How sensitive an alarm may be made: the limit is divided by it.
LEAST_SENSITIVE, MOST_SENSITIVE = 0.25, 4.0


@dataclass(frozen=True, slots=True)
class Settings:
    """`memory` is how many steps the average looks back.

    `caution` is how many memories of normal hours there must be for the limit to be no more than
    twice the quantile of the distances fitted on: the fewer there are, the less they show of what
    is normal. `trimmed` is the share of them, the farthest out, that is left out when it is learned
    how the sensors move together. `sensitivity` divides the limit: with 2 half the distance is an
    alarm.
    """

    memory: float = 20.0
    caution: float = 50.0
    trimmed: float = 0.05
    sensitivity: float = 1.0

    def rows_needed(self, sensors: int) -> int:
        """How many normal rows a detector of so many sensors takes."""
        return int(self.memory * max(LEAST_MEMORIES, MEMORIES_A_SENSOR * sensors))

    def least_rows(self, sensors: int) -> int:
        """How many a training file has at least, so that enough remain where a part is held out."""
        return -(-self.rows_needed(sensors) * PARTS // (PARTS - 1))

    @property
    def shortest(self) -> int:
        """How many rows a stretch has at least, for a slow sensor's baseline to settle."""
        return int(self.memory * BASELINE_MEMORIES)

    def limit(self, distances: Floats) -> float:
        """Where the alarm begins, from the distances [rows] in normal hours."""
        memories = len(distances) / self.memory
        quantile = np.quantile(distances, QUANTILE)
        return float(quantile * (1.0 + self.caution / memories) / self.sensitivity)
