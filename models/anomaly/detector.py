"""Anomaly detector for several sensors: a multivariate EWMA chart (Lowry et al. 1992).

The departures of the sensors from their baselines are exponentially averaged, and the Mahalanobis
distance of the average is compared with an alarm limit. A sensor's share of a distance follows
Garthwaite and Koch (2016): shares are not negative and sum to 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The norm of the whitened average is clipped to this many alarm limits. Without clipping, a large
# anomaly saturates the filter (windup) and the alarm outlasts its cause.
MAX_AVERAGE_NORM = 1.5


@dataclass(frozen=True, slots=True)
class DetectorState:
    """The filter state of machines between two steps.

    average: whitened average departure. baseline: the level from which readings depart. Both are
    [machines, sensors].
    """

    average: Floats
    baseline: Floats


@dataclass(frozen=True, slots=True)
class AnomalyScores:
    """Anomaly scores of machines over steps.

    score: Mahalanobis distance in multiples of the alarm limit, [machines, steps]; above 1 is an
    alarm. shares: each sensor's share of the squared distance, [machines, steps, sensors]; they sum
    to 1.
    """

    score: Floats
    shares: Floats

    @property
    def alarm(self) -> Flags:
        """Whether each step is an alarm, [machines, steps]."""
        return self.score > 1.0


@dataclass(frozen=True, slots=True)
class Detector:
    """An immutable detector fitted on one machine's normal operation.

    Arrays are [sensors] unless stated otherwise. level: mean reading, the baseline of fast sensors.
    slow: sensors whose baseline is an EWMA of their own readings with the weight `baseline_weight`,
    in which a departure is clipped to `bound`. centre: mean departure. weight: EWMA weight of the
    departures. whitening: [sensors, sensors], maps the average departure to the vector whose norm
    is the score.
    """

    sensors: tuple[str, ...]
    weight: float
    baseline_weight: float
    level: Floats
    slow: Flags
    bound: Floats
    centre: Floats
    whitening: Floats

    def initial_state(self, readings: Floats) -> DetectorState:
        """Return the state before the first `readings`, [machines, sensors].

        The average departure is 0 and the baseline of slow sensors is their first reading.
        """
        return DetectorState(np.zeros(readings.shape), np.where(self.slow, readings, self.level))

    def step(
        self, readings: Floats, state: DetectorState | None = None
    ) -> tuple[AnomalyScores, DetectorState]:
        """Score one step of each machine, [machines, sensors]."""
        return self.run(readings[:, np.newaxis], state)

    def run(
        self, series: Floats, state: DetectorState | None = None
    ) -> tuple[AnomalyScores, DetectorState]:
        """Score the next steps of each machine, [machines, steps, sensors]; all must be finite.

        Returns the scores and the state after the last step. Without a state, the series begins at
        the first step. Splitting a series changes the scores by rounding only.
        """
        state = state or self.initial_state(series[:, 0])
        weights = np.where(self.slow, self.baseline_weight, 0.0)
        departures, baseline = departures_from_baseline(series, state.baseline, weights, self.bound)
        averages, average = self._whitened_averages(departures, state.average)
        squares = averages**2
        total = squares.sum(axis=-1)
        shares = squares / np.maximum(total, np.finfo(np.float64).tiny)[..., np.newaxis]
        return AnomalyScores(np.sqrt(total), shares), DetectorState(average, baseline)

    def _whitened_averages(self, departures: Floats, average: Floats) -> tuple[Floats, Floats]:
        """Return the whitened EWMA at each step, and the last one with its norm clipped."""
        steps = np.moveaxis((departures - self.centre) @ (self.weight * self.whitening), 1, 0)
        averages = np.empty_like(steps)
        for step, departure in enumerate(steps):
            average = averages[step] = average * (1.0 - self.weight) + departure
            square = np.vecdot(average, average)
            if (square > MAX_AVERAGE_NORM**2).any():
                average = (
                    average * np.minimum(1.0, MAX_AVERAGE_NORM / np.sqrt(square))[:, np.newaxis]
                )
        return np.moveaxis(averages, 0, 1), average


def departures_from_baseline(
    series: Floats, baseline: Floats, weights: Floats, bound: Floats
) -> tuple[Floats, Floats]:
    """Subtract a moving EWMA baseline from a series, [machines, steps, sensors].

    Returns the departures and the baseline after the last step. weights: EWMA weight of each
    sensor's baseline, 0 for a constant one. bound: maximum departure that moves the baseline, so
    that one outlier does not shift it and make the normal readings after it look like departures.
    """
    baselines = np.repeat(baseline[:, np.newaxis], series.shape[1], axis=1)
    moving = np.flatnonzero(weights)
    if moving.size:
        readings = np.moveaxis(series[..., moving], 1, 0)
        current, weight, max_step = baseline[:, moving], weights[moving], bound[moving]
        baselines_of_moving = np.empty_like(readings)
        for step, reading in enumerate(readings):
            current = baselines_of_moving[step] = current + weight * np.minimum(
                np.maximum(reading - current, -max_step), max_step
            )
        baselines[..., moving] = np.moveaxis(baselines_of_moving, 0, 1)
    return series - baselines, baselines[:, -1]
