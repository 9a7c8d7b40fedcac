"""Days of the week of a forecaster: those of local time, in the training and in calls."""

from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

from models.forecasting.adapt import ForecastAdapter
from models.forecasting.grid import DAY, HOUR
from models.forecasting.pauses import Pauses
from models.forecasting.tree_inputs import days_of
from models.forecasting.variant import ForecastVariant, load
from models.forecasting.windows import Form
from models.signature import validate_columns
from models.tables.schema import SchemaRequest
from tests.support.models.series import TARGET, load_curve
from tests.support.models.tables import csv
from tests.support.nightly import at_length

ZONES = ("", "+08:00", "-05:00")
MONDAY = 4 * DAY


def form(zone: float | None, *, has_local_days: bool = True) -> Form:
    return Form(HOUR, 168, (24, 168), 336, 24, 1.0, Pauses(zone=zone), has_local_days)


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [(8 * HOUR, -8 * HOUR, 0), (8 * HOUR, -9 * HOUR, 6), (-5 * HOUR, 4 * HOUR, 6), (None, 0.0, 0)],
)
def test_day_begins_at_midnight_in_the_zone_of_the_training_file(
    zone: float | None, instant: float, day: int
) -> None:
    assert days_of(np.array([MONDAY + instant]), form(zone)).tolist() == [day]


def test_models_of_earlier_releases_keep_the_days_that_they_were_trained_with() -> None:
    earlier = form(8 * HOUR, has_local_days=False)
    assert days_of(np.array([MONDAY - 8 * HOUR]), earlier).tolist() == [6]


def weeks(count: int, zone: str, seed: int = 3) -> dict[str, list[object]]:
    """An hourly load of all days, lower on Sundays."""
    curve = load_curve(7 * count, seed=seed)
    is_sunday = [at // 24 % 7 == 6 for at in range(len(curve["time"]))]
    return {
        "time": [f"{time}{zone}" for time in curve["time"]],
        TARGET: [value - 40 * off for value, off in zip(curve[TARGET], is_sunday, strict=True)],  # type: ignore[operator]
    }


@cache
def variant(zone: str) -> ForecastVariant:
    adapter = ForecastAdapter(SchemaRequest(target=TARGET), threads=1)
    return load(adapter(csv(weeks(8, zone)), lambda sentence: None).artefact)


def run(trained: str, called: str) -> dict[str, Any]:
    columns = weeks(3, called, seed=9)
    row = {
        "time": np.array([columns["time"]], dtype=object),
        TARGET: np.array([columns[TARGET]], dtype=np.float32),
    }
    return dict(variant(trained).run(validate_columns(variant(trained).signature, row, {})))


@pytest.mark.parametrize(
    ("trained", "called"),
    at_length(
        [*product(ZONES, ("",)), *zip(ZONES, ZONES, strict=True), ("", "+08:00")],
        [(ZONES[-1], ""), ("", "+08:00")],
    ),
)
def test_forecast_is_that_of_local_days_whether_or_not_times_state_their_zone(
    trained: str, called: str
) -> None:
    expected, found = run("", ""), run(trained, called)
    assert np.array_equal(found["forecast"], expected["forecast"])
    assert found["time"][0][0] == f"2026-03-23T00:00:00{called}"
