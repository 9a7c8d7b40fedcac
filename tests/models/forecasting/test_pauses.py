"""Plants that pause at the same times of each week: times without pauses, seasons, calls."""

import datetime as dt
from functools import cache
from typing import Any

import numpy as np
import pytest

from models.forecasting.adapt import ForecastAdapter
from models.forecasting.pauses import NO_PAUSES, Pauses, find_pauses
from models.forecasting.planning import held_out_start, plan_form
from models.forecasting.variant import ForecastVariant, load
from models.signature import InputInvalid, validate_columns
from models.tables.schema import SchemaRequest
from tests.support.models.series import TARGET, load_curve, series_of
from tests.support.models.tables import csv
from tests.support.nightly import at_length

HOUR = 3600.0
MONDAY = dt.datetime(2026, 3, 2, tzinfo=dt.UTC).timestamp()


def recorded(
    weeks: int, *, days: int = 5, first: int = 0, after: int = 24, shift: float = 0.0
) -> np.ndarray:
    """Hourly times of so many working days a week, from the first hour until before `after`."""
    hours = np.arange(weeks * 168)
    is_on = (hours // 24 % 7 < days) & (hours % 24 >= first) & (hours % 24 < after)
    return MONDAY + shift + HOUR * hours[is_on]


def found(times: np.ndarray) -> Pauses:
    return find_pauses([times], HOUR, 6, None)


class TestPauses:
    @pytest.mark.parametrize("shift", [0.0, 420.0, 1800.0, -10 * HOUR])
    @pytest.mark.parametrize("hours", [(0, 24), (6, 22)], ids=["weekends", "nights"])
    def test_recorded_steps_follow_each_other_without_pauses(
        self, hours: tuple[int, int], shift: float
    ) -> None:
        times = recorded(6, first=hours[0], after=hours[1], shift=shift)
        pauses = found(times)
        counted = pauses.leave_out(times)
        assert np.allclose(np.diff(counted), HOUR)
        assert np.allclose(pauses.restore(counted), times)
        assert not pauses.contain(times).any()
        length = hours[1] - hours[0]
        assert (pauses.day, pauses.week) == (length * HOUR, 5 * length * HOUR)

    def test_times_that_are_a_little_off_are_beside_their_steps(self) -> None:
        times = recorded(6)
        pauses = found(times + np.random.default_rng(1).uniform(-60, 60, len(times)))
        assert np.allclose(np.diff(pauses.leave_out(times)), HOUR)

    def test_shift_on_one_saturday_is_no_regular_record(self) -> None:
        overtime = np.linspace(MONDAY + 120 * HOUR, MONDAY + 127 * HOUR, 8)
        pauses = found(np.sort(np.concatenate([recorded(12), overtime])))
        assert pauses.week == 120 * HOUR
        assert pauses.contain(overtime).all()

    @pytest.mark.parametrize(
        "times",
        [
            recorded(3),
            recorded(6, days=7),
            recorded(6, days=7, first=3),
            np.delete(recorded(6, days=7), np.arange(300, 348)),
        ],
        ids=["few weeks", "no gap", "short gaps", "one long gap"],
    )
    def test_other_gaps_are_no_pauses(self, times: np.ndarray) -> None:
        assert found(times) == NO_PAUSES


def working_days(weeks: int, *, zone: str = "", seed: int = 3) -> dict[str, list[object]]:
    """An hourly load from Monday to Friday, lower on Fridays."""
    curve = load_curve(7 * weeks, seed=seed)
    kept = [at for at in range(len(curve["time"])) if at // 24 % 7 < 5]
    level = {True: 60.0, False: 100.0}
    return {
        "time": [f"{curve['time'][at]}{zone}" for at in kept],
        TARGET: [round(curve[TARGET][at] - 100 + level[at // 24 % 7 == 4], 3) for at in kept],  # type: ignore[operator]
    }


def test_series_without_weekends_has_the_seasons_of_day_and_week() -> None:
    data = series_of(working_days(14))
    assert len(data.series) == 1
    form = plan_form(data, held_out_start(data))
    assert form.seasons == (24, 120)
    assert form.season == 120


def test_rows_in_pauses_are_left_out_and_told() -> None:
    columns = working_days(12)
    columns["time"].append("2026-03-07 03:00")
    columns[TARGET].append(500.0)
    data = series_of(columns)
    assert data.high < 200
    assert "1 rows in these hours were left out." in data.notes


class TestCalls:
    @staticmethod
    @cache
    def variant(zone: str = "") -> ForecastVariant:
        adapter = ForecastAdapter(SchemaRequest(target=TARGET), threads=1)
        return load(adapter(csv(working_days(8, zone=zone)), lambda sentence: None).artefact)

    @staticmethod
    def run(variant: ForecastVariant, columns: dict[str, list[object]]) -> dict[str, Any]:
        row = {
            "time": np.array([columns["time"]], dtype=object),
            TARGET: np.array([columns[TARGET]], dtype=np.float32),
        }
        return dict(variant.run(validate_columns(variant.signature, row, {})))

    @pytest.mark.parametrize("trained", at_length(["", "+08:00"], ["+08:00"]))
    @pytest.mark.parametrize("zone", ["", "+08:00"])
    def test_forecast_on_friday_continues_on_monday(self, trained: str, zone: str) -> None:
        history = working_days(2, zone=zone, seed=9)
        found = self.run(self.variant(trained), history)
        assert found["filled"].tolist() == [0]
        assert found["time"][0][0] == f"2026-03-16T00:00:00{zone}"
        expected = load_curve(1, noise=0.0)[TARGET]
        assert np.abs(found["forecast"][0][:24] - expected).mean() < 5

    def test_rows_in_a_pause_do_not_count(self) -> None:
        history = working_days(2, seed=9)
        with_saturday = {
            "time": [*history["time"], "2026-03-14 08:00"],
            TARGET: [*history[TARGET], 7.0],
        }
        expected, found = (self.run(self.variant(), one) for one in (history, with_saturday))
        assert np.array_equal(found["forecast"], expected["forecast"])
        assert found["time"].tolist() == expected["time"].tolist()

    def test_history_of_pauses_alone_is_rejected(self) -> None:
        count = self.variant().document.form.lookback
        saturday: list[object] = [
            f"2026-03-14 08:{at % 60:02d}:{at // 60:02d}" for at in range(count)
        ]
        with pytest.raises(InputInvalid, match="at which nothing was recorded"):
            self.run(self.variant(), {"time": saturday, TARGET: [7.0] * count})
