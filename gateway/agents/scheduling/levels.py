"""Whether the level of the tank can be relied on, from its recent readings; pure.

Nothing is switched by a level that is missing, old, stuck, impossible or from the future.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.agents.definitions.schedule import LevelPoint
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.values import SECOND_US
from models.units import unit_conversion

Values = NDArray[np.float64]
Times = NDArray[np.int64]

# Clocks of machine and platform may differ by so much.
MAX_AHEAD_S = 60.0
# A level above the maximum by more than this share of the span is a fault of the sensor.
_POSSIBLE_BEYOND = 0.5
# Readings are stuck only if at least this share of the span should have flowed meanwhile.
_VISIBLE_CHANGE = 0.02
_FEWEST_STUCK = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LevelStatus(StrEnum):
    """What a level is worth. unit: the point measures in a unit of another quantity."""

    USABLE = "usable"
    NO_POINT = "no_point"
    UNIT = "unit"
    MISSING = "missing"
    STALE = "stale"
    FUTURE = "future"
    FROZEN = "frozen"
    IMPOSSIBLE = "impossible"


class LevelReadings(msgspec.Struct, frozen=True):
    """Recent readings in order: times in microseconds, values in `unit`; None without a point."""

    unit: str | None
    times: Times
    values: Values


class TankLevel(msgspec.Struct, frozen=True, kw_only=True):
    """The level now. volume: in m³, None unless it is usable. value: in the unit of the limits."""

    status: LevelStatus
    volume: float | None = None
    value: float | None = None
    time: datetime | None = None


def assess_level(
    point: LevelPoint, readings: LevelReadings, at: datetime, net_flow: float | None
) -> TankLevel:
    """Return the level at a time.

    net_flow: m³/h into the tank less those out of it, as the pumps and the demand say now; None if
    they are not known, and then stuck readings are not looked for.
    """
    if readings.unit is None:
        return TankLevel(status=LevelStatus.NO_POINT)
    try:
        values = unit_conversion(readings.unit, point.unit)(readings.values)
    except ValueError:
        return TankLevel(status=LevelStatus.UNIT)
    if not len(values):
        return TankLevel(status=LevelStatus.MISSING)
    value, time = float(values[-1]), _EPOCH + timedelta(microseconds=int(readings.times[-1]))
    status = _status(point, readings.times, np.asarray(values), at, net_flow)
    volume = value * point.m3_per_unit if status is LevelStatus.USABLE else None
    return TankLevel(status=status, volume=volume, value=value, time=time)


def _status(
    point: LevelPoint, times: Times, values: Values, at: datetime, net_flow: float | None
) -> LevelStatus:
    """Return what readings in the unit of the limits are worth."""
    age_s = (from_datetime(at) - int(times[-1])) / SECOND_US
    if age_s < -MAX_AHEAD_S:
        return LevelStatus.FUTURE
    if age_s > point.stale_s:
        return LevelStatus.STALE
    span = point.maximum - point.minimum
    highest = point.maximum + _POSSIBLE_BEYOND * span
    if not -_VISIBLE_CHANGE * span <= values[-1] <= highest:
        return LevelStatus.IMPOSSIBLE
    if net_flow is not None and _is_stuck(point, times, values, abs(net_flow)):
        return LevelStatus.FROZEN
    return LevelStatus.USABLE


def _is_stuck(point: LevelPoint, times: Times, values: Values, flow: float) -> bool:
    """Return whether the newest readings stayed the same while water flowed.

    flow: in m³/h. They must be the same for `frozen_s`, in which a visible part of the tank flowed.
    """
    since = int(times[-1]) - round(point.frozen_s * SECOND_US)
    recent = times >= since
    covers = int(times[0]) <= since
    is_same = covers and recent.sum() >= _FEWEST_STUCK and np.ptp(values[recent]) == 0
    flowed = flow * point.frozen_s / 3600.0 / point.m3_per_unit
    return bool(is_same and flowed >= _VISIBLE_CHANGE * (point.maximum - point.minimum))
