"""Which level of a tank is relied on: frozen, missing, old, impossible and future readings."""

from datetime import timedelta

import numpy as np
import pytest

from gateway.agents.scheduling.levels import LevelReadings, LevelStatus, TankLevel, assess_level
from gateway.plant.readings.formats.times import from_datetime
from tests.support.gateway.tanks import at, step

NOW = at(12)


def readings(*values: float, minutes: float = 30, newest_ago: float = 1) -> LevelReadings:
    """Return readings every `minutes`, the last one some minutes ago."""
    times = [
        from_datetime(NOW - timedelta(minutes=newest_ago + minutes * back))
        for back in reversed(range(len(values)))
    ]
    return LevelReadings("m3", np.array(times, dtype=np.int64), np.array(values, dtype=float))


def assessed(found: LevelReadings, net_flow: float | None = 60.0, **level: object) -> TankLevel:
    """Return the level that readings show."""
    point = step(level={"tag": "L", "minimum": 100, "maximum": 600, **level}).level
    return assess_level(point, found, NOW, net_flow)


def test_moving_level_is_usable_in_cubic_metres() -> None:
    found = assessed(readings(300, 310, 330, 350, 365))
    assert (found.status, found.volume) == (LevelStatus.USABLE, 365.0)


def test_level_in_percent_is_converted_by_the_stated_volume() -> None:
    point = step(
        low=40,
        high=90,
        level={"tag": "L", "unit": "%", "minimum": 20, "maximum": 95, "m3_per_unit": 6.4},
    ).level
    found = assess_level(point, LevelReadings("percent", readings(50).times, np.array([50.0])),
                         NOW, 0.0)  # fmt: skip
    assert found.volume == pytest.approx(320.0)


def test_level_that_stays_the_same_while_water_flows_is_frozen() -> None:
    assert assessed(readings(*[300.0] * 8)).status is LevelStatus.FROZEN


def test_level_that_stays_the_same_is_usable_if_no_water_flows_or_nobody_knows() -> None:
    assert assessed(readings(*[300.0] * 8), net_flow=1.0).status is LevelStatus.USABLE
    assert assessed(readings(*[300.0] * 8), net_flow=None).status is LevelStatus.USABLE


def test_few_equal_readings_are_not_taken_for_a_frozen_sensor() -> None:
    assert assessed(readings(300, 300, 300, minutes=10)).status is LevelStatus.USABLE


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (LevelReadings(None, readings().times, readings().values), LevelStatus.NO_POINT),
        (LevelReadings("degC", readings(3).times, np.array([3.0])), LevelStatus.UNIT),
        (readings(), LevelStatus.MISSING),
        (readings(300, newest_ago=31), LevelStatus.STALE),
        (readings(300, newest_ago=-2), LevelStatus.FUTURE),
        (readings(-50), LevelStatus.IMPOSSIBLE),
        (readings(900), LevelStatus.IMPOSSIBLE),
    ],
)
def test_unusable_level_has_a_reason_and_no_volume(
    found: LevelReadings, status: LevelStatus
) -> None:
    assert assessed(found).status is status
    assert assessed(found).volume is None


def test_level_beyond_its_limits_is_still_usable_so_that_the_shield_can_act() -> None:
    assert assessed(readings(95)).volume == 95.0
    assert assessed(readings(620)).volume == 620.0
