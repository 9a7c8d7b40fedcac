"""Models of made-up machines: held-out scores, leaks, intervals."""

from functools import cache

import numpy as np
import pytest

from models.observed.resampling import ScoreInterval
from models.tabular.boosting import raw_scores
from models.tabular.data import Goal, TabularData
from models.tabular.encoding import CategoryEncoding, column_values, fit_encoding
from models.tabular.evaluation import Comparison
from models.tabular.fitting import FittedModel, fit_model
from models.tabular.intervals import LEVELS, calibrate_intervals
from models.tabular.settings import inner_split
from models.tabular.splits import SplitKind, plan_splits
from tests.support.models.tables import data_of, machines
from tests.support.nightly import at_length, nightly


@cache
def fitted(goal: Goal) -> tuple[TabularData, FittedModel]:
    ignored = ("wear",) if goal is Goal.CLASS else ("failure",)
    target = "failure" if goal is Goal.CLASS else "wear"
    data = data_of(machines(), goal, target=target, ignored=ignored)
    return data, fit_model(data, 1, lambda number, of: None)


def held_out_score(categories: list[str], fails: list[bool]) -> float:
    generator = np.random.default_rng(8)
    columns: dict[str, list[object]] = {
        "machine": [f"M{row % 8}" for row in range(len(categories))],
        "temperature": list(generator.normal(80, 5, len(categories)).round(1)),
        "code": list(categories),
        "failure": ["yes" if failed else "no" for failed in fails],
    }
    data = data_of(columns, Goal.CLASS, target="failure", machine="machine")
    return fit_model(data, 1, lambda number, of: None).comparison.model.value


class TestSplits:
    def test_rows_of_one_machine_are_on_one_side(self) -> None:
        data = data_of(machines(), Goal.CLASS, target="failure")
        plan = plan_splits(data)
        assert plan.kind is SplitKind.BY_MACHINE
        assert data.machines is not None
        for split in plan.splits:
            on_both = set(data.machines[split.training]) & set(data.machines[split.held_out])
            assert not on_both
        assert {len(split.training) + len(split.held_out) for split in plan.splits} == {len(data)}

    def test_later_rows_are_held_out_from_earlier_ones(self) -> None:
        columns = machines()
        del columns["machine"]
        columns["cycle"] = list(range(len(columns["wear"])))[::-1]
        data = data_of(columns, Goal.NUMBER, target="wear")
        plan = plan_splits(data)
        assert plan.kind is SplitKind.BY_TIME
        assert data.times is not None
        for split in plan.splits:
            assert data.times[split.training].max() < data.times[split.held_out].min()

    def test_rows_without_a_time_are_placed_beside_the_rows_before_them(self) -> None:
        columns = machines()
        del columns["machine"]
        columns["cycle"] = list(range(len(columns["wear"])))
        for empty in (0, 100, 101, 319):
            columns["cycle"][empty] = ""
        data = data_of(columns, Goal.NUMBER, target="wear")
        plan = plan_splits(data)
        assert plan.kind is SplitKind.BY_TIME
        assert np.diff(plan.clusters).min() >= 0
        for split in plan.splits:
            assert split.training.max() < split.held_out.min()
        assert "4 rows have no time: each is placed at the time of the row before it." in data.notes

    def test_column_without_any_time_gives_no_order(self) -> None:
        columns = machines()
        del columns["machine"]
        columns["cycle"] = [""] * len(columns["wear"])
        data = data_of(columns, Goal.NUMBER, target="wear", time="cycle")
        assert plan_splits(data).kind is SplitKind.BY_ROW

    def test_classes_are_in_equal_shares_without_machines_and_time(self) -> None:
        columns = machines()
        del columns["machine"]
        data = data_of(columns, Goal.CLASS, target="failure")
        plan = plan_splits(data)
        assert plan.kind is SplitKind.BY_ROW
        share = data.target.values.mean()
        for split in plan.splits:
            assert data.target.values[split.held_out].mean() == pytest.approx(share, abs=0.05)

    def test_settings_see_all_classes_of_a_sorted_file(self) -> None:
        columns = machines()
        del columns["machine"]
        order = np.argsort([str(value) for value in columns["failure"]], kind="stable")
        sorted_file = {name: [values[at] for at in order] for name, values in columns.items()}
        data = data_of(sorted_file, Goal.CLASS, target="failure")
        plan = plan_splits(data)
        for position in (-3, -2, -1):
            inner = inner_split(plan, position)
            assert not set(inner.training) & set(inner.held_out)
            assert not set(inner.held_out) & set(plan.splits[position].held_out)
            assert len(set(data.target.values[inner.held_out])) == 2


def twice(columns: dict[str, list[object]]) -> dict[str, list[object]]:
    """The rows of a table, and once more those from the middle on: an overlapping export."""
    half = len(next(iter(columns.values()))) // 2
    return {name: [*values, *values[half:]] for name, values in columns.items()}


class TestCopies:
    @pytest.mark.parametrize("goal", [Goal.CLASS, Goal.NUMBER])
    def test_copies_are_on_one_side_of_each_split(self, goal: Goal) -> None:
        columns = machines()
        del columns["machine"]
        data = data_of(twice(columns), goal, target="failure" if goal is Goal.CLASS else "wear")
        assert plan_splits(data).kind is SplitKind.BY_ROW
        self.require_together(data)
        assert any(note.startswith("160 rows are the same as another row") for note in data.notes)

    def test_copies_are_on_one_side_of_splits_by_time(self) -> None:
        columns = machines()
        del columns["machine"]
        columns["cycle"] = list(range(320))
        data = data_of(twice(columns), Goal.NUMBER, target="wear")
        assert plan_splits(data).kind is SplitKind.BY_TIME
        self.require_together(data)

    def test_rows_of_the_same_inputs_are_held_out_together_beside_copies(self) -> None:
        columns = twice(machines())
        del columns["machine"]
        columns["failure"][-80:] = [
            "no" if one == "yes" else "yes" for one in columns["failure"][-80:]
        ]
        data = data_of(columns, Goal.CLASS, target="failure", ignored=("wear",))
        for split in plan_splits(data).splits:
            held_out = set(split.held_out.tolist())
            assert all((row in held_out) == (row - 160 in held_out) for row in range(320, 480))

    @staticmethod
    def require_together(data: TabularData) -> None:
        plan = plan_splits(data)
        assert np.array_equal(plan.clusters[320:], plan.clusters[160:320])
        for split in plan.splits:
            held_out = set(split.held_out.tolist())
            assert all((row in held_out) == (row - 160 in held_out) for row in range(320, 480))
            assert len(split.training)

    def test_noise_that_is_copied_is_not_better_than_the_baseline(self) -> None:
        generator = np.random.default_rng(4)
        columns: dict[str, list[object]] = {
            "a": list(generator.normal(0, 1, 200).round(2)),
            "b": list(generator.normal(0, 1, 200).round(2)),
            "y": list(generator.normal(0, 1, 200).round(2)),
        }
        double = {name: [*values, *values] for name, values in columns.items()}
        model = fit_model(data_of(double, Goal.NUMBER, target="y"), 1, lambda number, of: None)
        assert not model.comparison.is_better

    def test_the_same_export_six_times_over_is_copies(self) -> None:
        columns = machines()
        del columns["machine"]
        data = data_of(
            {name: values * 6 for name, values in columns.items()}, Goal.CLASS, target="failure"
        )
        clusters = plan_splits(data).clusters.reshape(6, 320)
        assert (clusters == clusters[0]).all()

    @pytest.mark.parametrize("times", [11, 30])
    def test_the_same_export_many_times_over_is_copies(self, times: int) -> None:
        columns = machines()
        del columns["machine"]
        data = data_of({name: values * times for name, values in columns.items()}, Goal.CLASS,
                       target="failure")  # fmt: skip
        clusters = plan_splits(data).clusters.reshape(times, 320)
        assert (clusters == clusters[0]).all()

    def test_an_export_with_some_repeated_rows_six_times_over_is_copies(self) -> None:
        columns = machines()
        del columns["machine"]
        data = data_of({name: [*values, *values[:9]] * 6 for name, values in columns.items()},
                       Goal.CLASS, target="failure")  # fmt: skip
        clusters = plan_splits(data).clusters.reshape(6, 329)
        assert (clusters == clusters[0]).all()

    def test_columns_of_few_values_with_all_combinations_equally_often_are_no_copies(self) -> None:
        cells = np.array(np.meshgrid(*[np.arange(8)] * 3)).reshape(3, -1)
        columns: dict[str, list[object]] = {
            name: list(np.tile(values, 6)) for name, values in zip("abc", cells, strict=True)
        }
        columns["result"] = ["bad" if a > 5 else "good" for a in np.tile(cells[0], 6)]
        data = data_of(columns, Goal.CLASS, target="result")
        assert (data.copies, data.notes) == (None, ())

    def test_settings_that_are_each_repeated_twenty_times_are_no_copies(self) -> None:
        columns: dict[str, list[object]] = {
            "temperature": [80.1, 85.7, 91.3] * 20,
            "speed": [1200.5, 1300.2, 1100.9] * 20,
            "result": ["good", "bad", "good"] * 20,
        }
        assert data_of(columns, Goal.CLASS, target="result").copies is None

    def test_settings_that_a_plant_repeats_are_no_copies(self) -> None:
        generator = np.random.default_rng(5)
        recipe = generator.integers(0, 15, 600)
        temperatures = generator.normal(80, 5, 15).round(2)
        columns: dict[str, list[object]] = {
            "temperature": list(temperatures[recipe]),
            "speed": list((1000 + 10 * temperatures).round(1)[recipe]),
            "result": list(
                np.where(generator.random(600) < 0.1 + 0.8 * (recipe > 7), "bad", "good")
            ),
        }
        data = data_of(columns, Goal.CLASS, target="result")
        assert (data.copies, data.notes) == (None, ())

    def test_columns_of_few_values_repeat_by_chance(self) -> None:
        generator = np.random.default_rng(6)
        columns: dict[str, list[object]] = {
            name: list(generator.integers(0, 8, 400)) for name in ("a", "b", "c")
        }
        columns["result"] = list(generator.choice(["good", "bad"], 400, p=[0.8, 0.2]))
        data = data_of(columns, Goal.CLASS, target="result")
        assert (data.copies, data.notes) == (None, ())

    def test_rows_without_copies_are_split_as_before(self) -> None:
        columns = machines()
        del columns["machine"]
        data = data_of(columns, Goal.CLASS, target="failure")
        assert data.copies is None
        assert np.array_equal(plan_splits(data).clusters, np.arange(320))


class TestHeldOutScores:
    @pytest.mark.parametrize("goal", at_length([Goal.CLASS, Goal.NUMBER], [Goal.CLASS]))
    def test_model_is_better_than_the_baseline(self, goal: Goal) -> None:
        _, model = fitted(goal)
        comparison = model.comparison
        assert comparison.is_better
        assert comparison.model.low <= comparison.model.value <= comparison.model.high
        if goal is Goal.CLASS:
            assert comparison.model.value > 0.85
            assert comparison.metric == "macro-F1"
        else:
            assert comparison.model.value < 0.7 * comparison.baseline.value

    def test_noise_is_neither_better_nor_worse_than_the_baseline(self) -> None:
        generator = np.random.default_rng(4)
        columns: dict[str, list[object]] = {
            "a": list(generator.normal(0, 1, 120).round(3)),
            "b": list(generator.normal(0, 1, 120).round(3)),
            "y": list(generator.normal(0, 1, 120).round(3)),
        }
        model = fit_model(data_of(columns, Goal.NUMBER, target="y"), 1, lambda number, of: None)
        assert not model.comparison.is_better

    @nightly
    def test_same_file_gives_the_same_model(self) -> None:
        data, model = fitted(Goal.NUMBER)
        again = fit_model(data, 1, lambda number, of: None)
        features = model.encoding.encode(column_values(data.inputs))
        assert np.array_equal(
            raw_scores(model.booster, features), raw_scores(again.booster, features)
        )


class TestScore:
    @pytest.mark.parametrize(("high", "is_worse"), [(0.1, False), (-0.1, True)])
    def test_only_the_interval_of_the_difference_rejects_a_model(
        self, high: float, is_worse: bool
    ) -> None:
        model, baseline = ScoreInterval(9.4, 9.0, 9.8), ScoreInterval(9.0, 8.6, 9.4)
        difference = ScoreInterval(-0.4, -0.9, high)
        score = Comparison("RMSE", False, model, baseline, difference).as_score("by machine")
        assert (score.metric, score.base, score.adapted) == ("RMSE, by machine", 9.0, 9.4)
        assert score.worse is is_worse


class TestCategories:
    def test_empty_cell_that_says_there_is_no_alarm_tells_the_class(self) -> None:
        generator = np.random.default_rng(4)
        alarms = np.where(generator.random(2000) < 0.05, generator.integers(100, 115, 2000), 0)
        fails = (alarms > 0) & (generator.random(2000) < 0.9)
        codes = [f"E{alarm}" if alarm else "" for alarm in alarms]
        assert held_out_score(codes, list(fails)) > 0.9

    @pytest.mark.parametrize("count", at_length([40, 100], [40]))
    def test_values_of_few_rows_each_tell_the_class(self, count: int) -> None:
        generator = np.random.default_rng(8)
        products = generator.integers(0, count, 30 * count)
        fails = (products % 5 == 0) & (generator.random(len(products)) < 0.9)
        assert held_out_score([f"P{one:03d}" for one in products], list(fails)) > 0.9


class TestEncoding:
    def test_empty_cell_is_a_value_only_if_training_had_it(self) -> None:
        texts = np.array(["A", ""], dtype=object)
        of_earlier_release = CategoryEncoding("grade", ("A", "B"), ("A", "B"))
        with_empty = CategoryEncoding("grade", ("", "A"), ("A",))
        assert of_earlier_release.encode(texts).tolist() == [[1, 0], [0, 0]]
        assert of_earlier_release.is_missing(texts).tolist() == [False, True]
        assert with_empty.encode(texts).tolist() == [[0, 1], [1, 0]]
        assert with_empty.is_missing(texts).tolist() == [False, False]
        assert with_empty.is_outside(texts).tolist() == [False, False]

    def test_codes_of_models_that_read_them_as_numbers_are_found(self) -> None:
        column = CategoryEncoding("program", ("12", "7"), ("12", "7"))
        texts = np.array(["007", "7", "0012", "08", "A7"], dtype=object)
        assert column.encode(texts).tolist() == [[0, 1], [0, 1], [1, 0], [0, 0], [0, 0]]
        assert column.is_outside(texts).tolist() == [False, False, False, True, True]

    def test_codes_without_the_zeros_of_training_are_outside(self) -> None:
        column = CategoryEncoding("program", ("007",), ("007",))
        assert column.is_outside(np.array(["007", "7"], dtype=object)).tolist() == [False, True]

    def test_features_of_many_categories_are_limited(self) -> None:
        rows = np.arange(3000)
        columns: dict[str, list[object]] = {
            **{f"c{prime}": [f"P{row % prime}" for row in rows] for prime in (97, 101, 103, 211)},
            "y": [float(row % 7) for row in rows],
        }
        encoding = fit_encoding(data_of(columns, Goal.NUMBER, target="y").inputs)
        assert [column.feature_count for column in encoding.columns] == [50, 50, 50, 50]

    def test_unseen_values_and_ranges_are_outside(self) -> None:
        data, _ = fitted(Goal.CLASS)
        encoding = fit_encoding(data.inputs)
        rows = {
            "temperature [°C]": np.array([80.0, 500.0, np.nan]),
            "torque": np.array([40.0, 40.0, 40.0]),
            "grade": np.array(["A", "Z", ""], dtype=object),
            "noise": np.zeros(3),
        }
        assert encoding.outside(rows).tolist() == [
            [False, False, False, False],
            [True, False, True, False],
            [False, False, False, False],
        ]
        features = encoding.encode(rows)
        assert features.shape == (3, len(encoding.owners))
        assert np.isfinite(features).all()


class TestIntervals:
    def test_intervals_cover_their_level(self) -> None:
        data, model = fitted(Goal.NUMBER)
        rows = model.held_out.rows
        predicted, truth = model.held_out.scores[rows], data.target.values[rows]
        table = calibrate_intervals(predicted, truth, model.plan.clusters[rows])
        for level in (0.5, 0.8):
            width = table.half_width(predicted, np.full(len(predicted), level))
            covered = np.mean(np.abs(predicted - truth) <= width)
            assert level - 0.05 <= covered <= level + 0.15

    def test_wider_levels_have_wider_intervals(self) -> None:
        generator = np.random.default_rng(2)
        predicted = generator.normal(0, 1, 400)
        truth = predicted + generator.normal(0, 1, 400)
        table = calibrate_intervals(predicted, truth, np.arange(400))
        widths = table.half_width(np.zeros(len(LEVELS)), np.array(LEVELS))
        assert np.all(np.diff(widths) > 0)
        assert widths[4] == pytest.approx(1.64, abs=0.4)
