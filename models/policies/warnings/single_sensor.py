"""The usual rule to compare with: a fixed limit on the one sensor that would have cost least."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.policies.warnings.history import Flags, MachineHistory, WarningTerms
from models.policies.warnings.thresholds import Threshold, cheapest_threshold


@dataclass(frozen=True, slots=True)
class SingleSensorRule:
    """Warn if the reading of a sensor, times `sign`, is above the threshold."""

    sensor: int
    sign: int
    threshold: Threshold

    def wants(self, history: MachineHistory) -> Flags:
        """Return where the rule warns, [ticks]."""
        return np.asarray(self.sign * history.readings[:, self.sensor] > self.threshold.value)


def fit_single_sensor(histories: Sequence[MachineHistory], terms: WarningTerms) -> SingleSensorRule:
    """Return the sensor, direction and limit with the lowest cost on the histories."""
    rules = [
        SingleSensorRule(
            sensor,
            sign,
            cheapest_threshold(
                [sign * history.readings[:, sensor] for history in histories], histories, terms
            ),
        )
        for sensor in range(histories[0].readings.shape[1])
        for sign in (1, -1)
    ]
    return min(rules, key=lambda rule: rule.threshold.cost)
