"""A learned warning rule in use: probability, warning and reasons of the newest tick of a machine.

Readings follow the machine's normal ticks, which the rule keeps, so that scores are computed by the
code that they were learned with.
"""

from dataclasses import dataclass

import numpy as np

from models.policies.warnings.calibration import Calibration
from models.policies.warnings.features import (
    average,
    departures_of,
    sensors_of_features,
    tick_features,
)
from models.policies.warnings.history import Floats, HistoryInvalid, MachineHistory
from models.policies.warnings.learned import WarningPolicy
from models.policies.warnings.scores import SensorScore, TreeScore

# Ticks before the newest one that its score depends on: the longest memory has faded by then.
WINDOW = 300
_REASONS = 3
_REASON_MEMORY = 20


@dataclass(frozen=True, slots=True)
class Reason:
    """A sensor that speaks for the event. share: of what speaks for it, 0 to 1.

    value: its newest reading. deviations: of its recent mean from normal operation, in standard
    deviations of the normal ticks.
    """

    sensor: str
    share: float
    value: float
    deviations: float


@dataclass(frozen=True, slots=True)
class WarningSignal:
    """What a rule says of a tick. out_of_range: sensors beyond what the training has seen."""

    probability: float
    warns: bool
    reasons: tuple[Reason, ...]
    out_of_range: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WarningRule:
    """A policy with its calibration and the machine's normal ticks.

    normal: [ticks, sensors]. low, high: of each sensor in the training, [sensors].
    """

    sensors: tuple[str, ...]
    policy: WarningPolicy
    calibration: Calibration
    normal: Floats
    low: Floats
    high: Floats

    @property
    def threshold_probability(self) -> float:
        """The probability at the threshold of the score."""
        return float(self.calibration.of(np.array([self.policy.threshold]))[0])

    def series(self, readings: Floats) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        """Return probability, and whether the score is above the threshold, [ticks] each.

        readings: [ticks, sensors], in order and without gaps. Raises HistoryInvalid.
        """
        score = self.policy.score.of(self._history(readings))[len(self.normal) :]
        return self.calibration.of(score), np.asarray(score > self.policy.threshold)

    def signal(self, readings: Floats) -> WarningSignal:
        """Return what the rule says of the last tick. Raises HistoryInvalid."""
        probabilities, warns = self.series(readings[-WINDOW:])
        return WarningSignal(
            probability=float(probabilities[-1]),
            warns=bool(warns[-1]),
            reasons=self._reasons(self._history(readings[-WINDOW:])),
            out_of_range=self.out_of_range(readings[-1]),
        )

    def out_of_range(self, newest: Floats) -> tuple[str, ...]:
        """Return the sensors whose reading the training has not seen. newest: [sensors]."""
        beyond = (newest < self.low) | (newest > self.high)
        return tuple(self.sensors[index] for index in np.flatnonzero(beyond))

    def _history(self, readings: Floats) -> MachineHistory:
        """Return the normal ticks with readings behind them."""
        if readings.ndim != 2 or readings.shape[1] != len(self.sensors):
            raise HistoryInvalid("The rule needs a column for each of its sensors.")
        rows = np.concatenate([self.normal, readings])
        return MachineHistory("now", rows, (), len(self.normal))

    def _reasons(self, history: MachineHistory) -> tuple[Reason, ...]:
        """Return the sensors that speak most for the event, the strongest first."""
        departures = average(departures_of(history), _REASON_MEMORY)[-1]
        weights = self._weights(history, departures)
        total = weights.sum()
        ranked = [int(one) for one in np.argsort(-weights, kind="stable") if weights[one] > 0]
        return tuple(
            Reason(
                self.sensors[index],
                round(float(weights[index] / total), 3),
                float(history.readings[-1, index]),
                round(float(departures[index]), 2),
            )
            for index in ranked[:_REASONS]
        )

    def _weights(self, history: MachineHistory, departures: Floats) -> Floats:
        """Return how much each sensor speaks for the event, 0 or more, [sensors]."""
        score = self.policy.score
        if isinstance(score, SensorScore):
            return np.asarray(np.eye(len(self.sensors))[score.sensor])
        if not isinstance(score, TreeScore):
            return np.asarray(departures**2)
        given = np.zeros(len(self.sensors))
        found = score.contributions(tick_features(history)[-1:])
        for sensor, value in zip(sensors_of_features(len(given)), found.tolist(), strict=True):
            if sensor >= 0:
                given[sensor] += value
        return np.maximum(given, 0.0)
