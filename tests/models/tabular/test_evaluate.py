"""Figures of models of rows next to other models, on made-up rows."""

import numpy as np
import pytest

from models.failure_class.data import MODE_COLUMNS, Dataset
from models.observed.metrics import rmse
from models.tabular.evaluate import compare_classes, mill_columns, take
from models.tabular.evaluate_lives import HeldOutMachine, leave_out, summarize
from models.tabular.plain_boosting import plain_failures
from tests.support.models.made_up_engines import engine
from tests.support.models.made_up_mill import WEAKER, operating_points
from tests.support.nightly import nightly


def texts(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


class TestClasses:
    def test_difference_to_the_other_model_is_in_points_of_both_metrics(self) -> None:
        truth = texts("a", "b", "a", "b")
        found = compare_classes(truth, truth, texts("a", "b", "b", "a"))
        assert (found["accuracy"], found["other_accuracy"]) == (1.0, 0.5)
        assert found["accuracy_difference"] == 0.5
        assert found["macro_f1_difference"] == 0.5
        low, high = found["macro_f1_difference_interval"]
        assert low <= 0.5 <= high

    def test_equal_models_have_no_difference(self) -> None:
        truth, own = texts("a", "b", "c"), texts("a", "c", "c")
        found = compare_classes(truth, own, own.copy())
        assert found["macro_f1_difference_interval"] == [0.0, 0.0]


class TestMill:
    def test_inputs_have_the_names_of_the_file_and_no_failure_modes(self) -> None:
        points = operating_points(1, 50)
        columns = mill_columns(Dataset(points, np.zeros(50, dtype=np.bool_), {}, ""))
        assert next(iter(columns)) == "Type"
        assert "Tool wear [min]" in columns
        assert not set(columns) & set(MODE_COLUMNS)
        row = take(columns, slice(0, 1))
        assert row["Torque [Nm]"].dtype == np.float32
        assert row["Type"].tolist() == [points.type[0]]

    def test_plain_boosting_learns_the_failures(self) -> None:
        points = operating_points(2, 1500)
        failed = WEAKER.failures(points)
        columns = mill_columns(Dataset(points, failed, {}, ""))
        training, held_out = np.arange(1000), np.arange(1000, 1500)
        found = plain_failures(columns, failed, training, held_out)
        assert np.mean((found > 0.5) == failed[held_out]) > 0.85


class TestMachinesLeftOut:
    @nightly
    def test_machine_is_predicted_by_models_of_the_others(self) -> None:
        found = leave_out([engine(seed, 60 + seed) for seed in (1, 2, 3)], engine(9, 60))
        assert found.own.shape == found.tuned.shape == found.truth.shape == (60,)
        assert rmse(found.truth, found.own) < rmse(found.truth, found.mean)
        assert rmse(found.truth, found.tuned) < rmse(found.truth, found.mean)
        assert np.all(found.lower <= found.upper)
        assert not found.rejected

    def test_figures_are_of_all_rows(self) -> None:
        truth = np.array([1.0, 2.0, 3.0])
        one = HeldOutMachine(
            truth, truth + 1, truth, truth + 2, truth + 2, np.full(3, 2.0), rejected=False
        )
        other = HeldOutMachine(
            truth, truth + 1, truth + 1, truth + 2, truth + 2, np.full(3, 2.0), rejected=True
        )
        found = summarize([one, other])
        assert (found["rmse"], found["tuned_rmse"], found["ratio_to_tuned"]) == (1.0, 2.0, 0.5)
        assert found["improvement_interval"] == [1.0, 1.0]
        assert (found["coverage"], found["rejected"]) == (0.5, 1)
        assert found["mean_rmse"] == pytest.approx(0.8165)
