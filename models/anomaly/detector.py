"""The detector: how far a machine's sensors are from their normal hours, one step at a time.

Owns what is asked at each step and what is carried from one to the next.

A multivariate EWMA chart (Lowry et al. 1992): the sensors' departures are averaged over the last
steps, and the Mahalanobis distance of that average is held against a limit. A sensor's share in a
distance is that of Garthwaite and Koch (2016), never negative and 1 in sum.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The average is kept within this many limits of normal. Otherwise a great anomaly fills it, and the
# alarm stays long after its cause is gone: a filter's windup.
FARTHEST = 1.5


@dataclass(frozen=True, slots=True)
class State:
    """What is carried from step to step: of each machine, each sensor's `average` departure and the
    `baseline` that it departs from, both [machines, sensors]."""

    average: Floats
    baseline: Floats


@dataclass(frozen=True, slots=True)
class Verdict:
    """`score`, [machines, steps], is the distance in limits: above 1 is an alarm. `shares`,
    [machines, steps, sensors], is how much of it each sensor has; they sum to 1."""

    score: Floats
    shares: Floats

    @property
    def alarm(self) -> Flags:
        return self.score > 1.0


@dataclass(frozen=True, slots=True)
class Detector:
    """Fitted on one machine's normal hours; never changes.

    Of the S sensors: `level` is the mean, from which the quick ones depart; `slow` ones depart from
    their own latest readings, averaged with the weight `baseline_weight` each step, of which a
    departure beyond `bound` counts as `bound`. `centre` is the mean departure. `whitening`, [S, S],
    makes of the average departure (weight `weight`) the vector whose length is the score.
    """

    sensors: tuple[str, ...]
    weight: float
    baseline_weight: float
    level: Floats
    slow: Flags
    bound: Floats
    centre: Floats
    whitening: Floats

    def start(self, readings: Floats) -> State:
        """The state before the first `readings`, [machines, sensors]: as if all were normal, and
        slow sensors always had been where they are."""
        return State(np.zeros(readings.shape), np.where(self.slow, readings, self.level))

    def step(self, readings: Floats, state: State | None = None) -> tuple[Verdict, State]:
        """One step of each machine, [machines, sensors]."""
        return self.run(readings[:, np.newaxis], state)

    def run(self, series: Floats, state: State | None = None) -> tuple[Verdict, State]:
        """Each machine's next steps, [machines, steps, sensors], all finite numbers.

        Without a state they are the first. In pieces or at once, the verdicts are the same but for
        rounding.
        """
        state = state or self.start(series[:, 0])
        weights = np.where(self.slow, self.baseline_weight, 0.0)
        departures, baseline = depart(series, state.baseline, weights, self.bound)
        averages, average = self._averages(departures, state.average)
        squares = averages**2
        total = squares.sum(axis=-1)
        shares = squares / np.maximum(total, np.finfo(np.float64).tiny)[..., np.newaxis]
        return Verdict(np.sqrt(total), shares), State(average, baseline)

    def _averages(self, departures: Floats, average: Floats) -> tuple[Floats, Floats]:
        """The whitened average at each step, and the one to go on from."""
        moved = np.moveaxis((departures - self.centre) @ (self.weight * self.whitening), 1, 0)
        averages = np.empty_like(moved)
        for at, one in enumerate(moved):
            average = averages[at] = average * (1.0 - self.weight) + one
            square = np.vecdot(average, average)
            if (square > FARTHEST**2).any():
                average = average * np.minimum(1.0, FARTHEST / np.sqrt(square))[:, np.newaxis]
        return np.moveaxis(averages, 0, 1), average


def depart(
    series: Floats, baseline: Floats, weights: Floats, bound: Floats
) -> tuple[Floats, Floats]:
    """How far each reading of [machines, steps, sensors] is from a baseline that has followed it,
    and the last baseline. `weights`, [sensors], is how fast: 0 for a baseline that stays.

    `bound` keeps one wild reading from taking the baseline along, which would make the normal ones
    after it look like departures.
    """
    baselines = np.repeat(baseline[:, np.newaxis], series.shape[1], axis=1)
    moving = np.flatnonzero(weights)
    if moving.size:
        readings = np.moveaxis(series[..., moving], 1, 0)
        last, weight, most = baseline[:, moving], weights[moving], bound[moving]
        followed = np.empty_like(readings)
        for at, one in enumerate(readings):
            last = followed[at] = last + weight * np.minimum(np.maximum(one - last, -most), most)
        baselines[..., moving] = np.moveaxis(followed, 0, 1)
    return series - baselines, baselines[:, -1]
