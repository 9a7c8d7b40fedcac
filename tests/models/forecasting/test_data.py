"""Series of tables: steps, gaps, repeated times, machines, and what cannot be forecast."""

import numpy as np
import pytest

from models.adaptation import TrainingFileInvalid
from models.forecasting.data import MIN_STEPS, describe_step
from models.forecasting.grid import fill_gaps, infer_step, to_grid
from tests.support.models.series import START, load_curve, series_of, times


def problem_code(columns: dict[str, list[object]], **stated: object) -> str:
    with pytest.raises(TrainingFileInvalid) as caught:
        series_of(columns, **stated)
    return caught.value.problems.shown[0].code


def without(columns: dict[str, list[object]], rows: list[int]) -> dict[str, list[object]]:
    """The columns without some rows."""
    return {
        name: [value for row, value in enumerate(values) if row not in rows]
        for name, values in columns.items()
    }


class TestGrid:
    @pytest.mark.parametrize(
        ("seconds", "step"),
        [
            (np.arange(50) * 3600.0, 3600.0),
            (np.arange(50) * 900.0 + np.tile([0.0, 2.0], 25), 900.0),
            (np.arange(50) * 37.5, 37.5),
            (np.concatenate([np.arange(20), 40 + np.arange(20)]) * 86_400.0, 86_400.0),
        ],
        ids=["hours", "jittered quarters", "odd step", "days with a gap"],
    )
    def test_step_is_the_usual_distance(self, seconds: np.ndarray, step: float) -> None:
        assert infer_step(np.random.default_rng(1).permutation(seconds)) == step

    def test_one_time_has_no_step(self) -> None:
        assert infer_step(np.full(5, 7.0)) is None

    def test_values_of_one_time_are_averaged_and_missing_steps_are_nan(self) -> None:
        moments = np.array([0.0, 3600.0, 3600.0, 10_800.0, 12_500.0])
        values = np.array([[1.0], [2.0], [4.0], [5.0], [9.0]])
        gridded = to_grid(moments[:4], values[:4], 3600.0)
        assert gridded.values[:, 0].tolist()[:2] == [1.0, 3.0]
        assert np.isnan(gridded.values[2, 0])
        assert (gridded.repeated, gridded.off_grid) == (1, 0)
        assert to_grid(moments, values, 3600.0).off_grid == 4

    def test_short_gaps_are_filled_and_long_ones_stay(self) -> None:
        nothing = float("nan")
        values = np.array([nothing, 1.0, nothing, 3.0, nothing, nothing, nothing, 7.0, nothing])
        filled = fill_gaps(values, 2)
        assert filled[1:4].tolist() == [1.0, 2.0, 3.0]
        assert np.isnan(filled[[0, 4, 5, 6, 8]]).all()

    def test_steps_are_told_in_the_largest_whole_unit(self) -> None:
        told = [describe_step(seconds) for seconds in (3600, 900, 86_400, 604_800, 37.5)]
        assert told == ["1 hour", "15 minutes", "1 day", "7 days", "37.5 s"]


class TestSeries:
    def test_roles_unit_and_step_are_read(self) -> None:
        data = series_of(load_curve())
        assert (data.target, data.unit, data.time) == ("load [kW]", "kW", "time")
        assert (data.step, len(data), data.machines) == (3600.0, 504, 1)
        assert [column.name for column in data.others] == ["outdoor"]
        assert np.abs(data.series[0].others.mean()) < 1e-9

    def test_short_gap_is_filled_and_long_gap_divides(self) -> None:
        columns = without(load_curve(), [100, 101, *range(300, 320)])
        data = series_of(columns)
        assert [len(part) for part in data.series] == [300, 184]
        assert "2 missing steps of 'load [kW]' in short gaps were filled by lines." in data.notes
        assert any("divide 'load [kW]' into 2 parts" in note for note in data.notes)

    def test_rows_in_any_order_give_the_same_series(self) -> None:
        columns = load_curve()
        order = np.random.default_rng(2).permutation(len(columns["time"]))
        shuffled = {name: [values[row] for row in order] for name, values in columns.items()}
        expected, found = series_of(columns).series[0], series_of(shuffled).series[0]
        assert np.array_equal(found.values, expected.values)

    def test_machines_have_series_of_their_own(self) -> None:
        one, two = load_curve(seed=1), load_curve(seed=2)
        columns = {name: [*one[name], *two[name]] for name in one}
        columns["machine"] = ["A"] * len(one["time"]) + ["B"] * len(two["time"])
        data = series_of(columns, machine="machine")
        assert (data.machines, [len(part) for part in data.series]) == (2, [504, 504])

    def test_repeated_times_are_told(self) -> None:
        columns = load_curve()
        columns = {name: [*values, values[-1]] for name, values in columns.items()}
        assert (
            "1 rows have the time of another row: their mean is used." in series_of(columns).notes
        )

    def test_constant_and_text_columns_are_left_out(self) -> None:
        columns = load_curve()
        columns["site"] = ["north", "south"] * 252
        columns["setpoint"] = [5] * 504
        data = series_of(columns)
        assert [column.name for column in data.others] == ["outdoor"]
        assert "'site' has texts and is not used." in data.notes
        assert "'setpoint' never changes and was left out." in data.notes


class TestUnusableFiles:
    def test_file_without_times_is_rejected(self) -> None:
        columns = load_curve()
        del columns["time"]
        assert problem_code(columns) == "missing_time"

    def test_target_of_texts_is_rejected(self) -> None:
        columns = load_curve()
        columns["grade"] = ["A", "B"] * 252
        assert problem_code(columns, target="grade") == "wrong_type"

    def test_short_series_is_rejected(self) -> None:
        columns = {name: values[: MIN_STEPS - 1] for name, values in load_curve().items()}
        assert problem_code(columns) == "too_short_series"

    def test_constant_target_is_rejected(self) -> None:
        assert problem_code({**load_curve(), "load [kW]": [4] * 504}) == "constant_target"

    def test_two_machines_without_machine_column_are_rejected(self) -> None:
        columns = {name: [*values, *values] for name, values in load_curve().items()}
        assert problem_code(columns) == "duplicate_times"

    def test_events_at_any_time_are_rejected(self) -> None:
        columns = load_curve()
        moments = times(504 * 60, minutes=1)
        drawn = np.sort(np.random.default_rng(5).choice(len(moments), 504, replace=False))
        columns["time"] = [moments[row] for row in drawn]
        assert problem_code(columns) == "irregular_times"

    def test_mistyped_year_is_rejected(self) -> None:
        columns = load_curve()
        columns["time"][-1] = "2926-03-22 23:00:00"
        assert problem_code(columns) == "irregular_times"

    @pytest.mark.parametrize("microseconds", [100, 400])
    def test_times_closer_than_a_millisecond_are_rejected(self, microseconds: int) -> None:
        columns = load_curve()
        moments = START + np.arange(504) * np.timedelta64(microseconds, "us")
        columns["time"] = [str(moment).replace("T", " ") for moment in moments]
        assert problem_code(columns) == "irregular_times"

    def test_reserved_name_is_rejected(self) -> None:
        columns = load_curve()
        columns["horizon"] = columns.pop("outdoor")
        assert problem_code(columns) == "invalid_name"
