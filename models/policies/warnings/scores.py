"""Scores of ticks, higher where an event is more likely, and their fields in a rule file.

A score depends on past ticks and on the history's normal ticks only, so that it is the same in a
replay and in operation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from infra.lazy_import import LazyModule
from models.policies.warnings.chart import chart_score
from models.policies.warnings.features import average, tick_features
from models.policies.warnings.history import Floats, HistoryInvalid, MachineHistory

if TYPE_CHECKING:
    import lightgbm as lgb
else:
    lgb = LazyModule("lightgbm")


class Score(Protocol):
    """A number for each tick of a history, [ticks]."""

    def of(self, history: MachineHistory) -> Floats:
        """Return the score of each tick."""
        ...

    def fields(self) -> dict[str, Any]:
        """Return the score as JSON, with its `kind`."""
        ...


@dataclass(frozen=True, slots=True)
class ConstantScore:
    """Says nothing: every tick has 0."""

    def of(self, history: MachineHistory) -> Floats:
        """Return zeros."""
        return np.zeros(history.ticks)

    def fields(self) -> dict[str, Any]:
        """Return the kind."""
        return {"kind": "constant"}


@dataclass(frozen=True, slots=True)
class SensorScore:
    """The reading of a sensor, times `sign`."""

    sensor: int
    sign: int

    def of(self, history: MachineHistory) -> Floats:
        """Return the readings, positive in the direction of the limit."""
        return np.asarray(self.sign * history.readings[:, self.sensor])

    def fields(self) -> dict[str, Any]:
        """Return kind, sensor and direction."""
        return {"kind": "sensor", "sensor": self.sensor, "sign": self.sign}


@dataclass(frozen=True, slots=True)
class ChartScore:
    """The distance of all sensors together from the normal ticks."""

    memory: float

    def of(self, history: MachineHistory) -> Floats:
        """Return the distances in alarm limits."""
        return chart_score(history, self.memory)

    def fields(self) -> dict[str, Any]:
        """Return kind and memory."""
        return {"kind": "chart", "memory": self.memory}


@dataclass(frozen=True)
class TreeScore:
    """The mean margin of boosted trees on the features of all sensors, averaged over `memory`.

    models: texts of LightGBM boosters.
    """

    models: tuple[str, ...]
    memory: int = 1

    @cached_property
    def boosters(self) -> "list[lgb.Booster]":
        """The boosters; reading them takes some milliseconds."""
        return [lgb.Booster(model_str=model) for model in self.models]

    def of(self, history: MachineHistory) -> Floats:
        """Return the margins."""
        return average(self.margins(tick_features(history))[:, np.newaxis], self.memory)[:, 0]

    def margins(self, features: Floats) -> Floats:
        """Return the mean margin of rows of features, [rows]."""
        found = [
            np.asarray(one.predict(features, raw_score=True, num_threads=1))
            for one in self.boosters
        ]
        return np.asarray(np.mean(found, axis=0), dtype=np.float64)

    def contributions(self, features: Floats) -> Floats:
        """Return what each feature of one row adds to the margin, [features]."""
        found = [
            np.asarray(one.predict(features, pred_contrib=True, num_threads=1))[0, :-1]
            for one in self.boosters
        ]
        return np.asarray(np.mean(found, axis=0), dtype=np.float64)

    def fields(self) -> dict[str, Any]:
        """Return kind, memory and boosters."""
        return {"kind": "trees", "memory": self.memory, "models": list(self.models)}


def read_score(fields: Mapping[str, Any], sensors: int) -> Score:
    """Return the score of its fields. Raises HistoryInvalid for fields that are not one's."""
    try:
        return _read(fields, sensors)
    except (KeyError, TypeError, ValueError) as error:
        raise HistoryInvalid("The file has a score that cannot be read.") from error


def _read(fields: Mapping[str, Any], sensors: int) -> Score:
    """Return the score of its fields."""
    kind = fields["kind"]
    if kind == "constant":
        return ConstantScore()
    if kind == "chart":
        return ChartScore(float(fields["memory"]))
    if kind == "trees":
        return TreeScore(tuple(str(one) for one in fields["models"]), int(fields["memory"]))
    sensor, sign = int(fields["sensor"]), int(fields["sign"])
    if not 0 <= sensor < sensors:
        raise ValueError("sensor")
    if kind == "sensor":
        return SensorScore(sensor, sign)
    raise ValueError("kind")
