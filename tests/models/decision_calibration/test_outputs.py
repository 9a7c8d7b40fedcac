"""Predictions of specialists read as probabilities of a question's options."""

from typing import Any

import pytest

from models.catalog import Task, load_catalog
from models.decision_calibration.outputs import (
    NotAnswerable,
    Output,
    OutputForm,
    below_probability,
    choice_probabilities,
    event_probability,
    level_probabilities,
    outputs_of,
)
from models.decision_calibration.plain_statements import asks_for
from models.plate_fault.data import FAULTS

CATALOG = load_catalog("cpu")
BY_ROUTE = {
    model.route.task: outputs_of(model)
    for model in CATALOG.models.values()
    if model.route is not None and outputs_of(model)
}
FAILURE = BY_ROUTE["machine_failure"][0]
FAULT = BY_ROUTE["plate_fault"][0]
LIFE = BY_ROUTE["remaining_life"][0]
CLASS = Output("class", OutputForm.TOLD, "probability")
ROW = {"failure_probability": 0.8, "failure": 1}
FAULT_ROW = {"fault": "stains", **{f"{name}_probability": 0.05 for name in FAULTS}} | {
    "stains_probability": 0.7
}
LIFE_ROW = {"remaining_life": 50.0, "lower": 30.0, "upper": 90.0}


class TestOutputsOf:
    def test_routed_classifiers_and_regressors_have_outputs(self) -> None:
        assert BY_ROUTE.keys() == {
            "machine_failure",
            "plate_fault",
            "hydraulic_condition",
            "remaining_life",
        }
        assert FAULT.classes == tuple(FAULTS)

    def test_calculations_have_none(self) -> None:
        assert not any(outputs_of(model) for model in CATALOG.with_task(Task.CALCULATION))


class TestProbabilities:
    def test_event_has_its_own_probability(self) -> None:
        assert event_probability(FAILURE, ROW, None) == 0.8
        assert choice_probabilities(FAILURE, ROW, (False, True)) == pytest.approx((0.2, 0.8))

    def test_named_class_has_its_own_probability(self) -> None:
        assert event_probability(FAULT, FAULT_ROW, "Stains") == 0.7

    def test_choices_among_classes_sum_to_one(self) -> None:
        found = choice_probabilities(FAULT, FAULT_ROW, ("stains", "Z scratch"))
        assert found == pytest.approx((0.7 / 0.75, 0.05 / 0.75))

    def test_told_class_leaves_the_rest_to_the_others(self) -> None:
        row = {"class": "worn", "probability": 0.7, "probabilities": [0.7, 0.2, 0.1]}
        found = choice_probabilities(CLASS, row, ("sound", "Worn", "broken"))
        assert found == pytest.approx((0.15, 0.7, 0.15))
        assert event_probability(CLASS, row, "sound") == pytest.approx(0.15)

    @pytest.mark.parametrize(
        ("output", "row", "values", "code"),
        [
            (FAILURE, ROW, ("yes", "no"), "choices_unknown"),
            (FAULT, FAULT_ROW, ("stains", "rust"), "class_unknown"),
            (CLASS, {"class": "worn", "probability": 0.7}, ("a", "b"), "class_not_offered"),
            (FAILURE, {"failure_probability": None}, (True, False), "output_missing"),
            (LIFE, LIFE_ROW, ("a", "b"), "no_classes"),
        ],
    )
    def test_prediction_that_does_not_answer_says_why(
        self, output: Output, row: Any, values: tuple[str | bool, ...], code: str
    ) -> None:
        with pytest.raises(NotAnswerable) as reason:
            choice_probabilities(output, row, values)
        assert reason.value.code == code

    def test_predicate_about_classes_needs_a_class(self) -> None:
        with pytest.raises(NotAnswerable) as reason:
            event_probability(FAULT, FAULT_ROW, None)
        assert reason.value.code == "class_missing"


class TestNumbers:
    @pytest.mark.parametrize(
        ("limit", "expected"), [(50, 0.5), (30, 0.05), (90, 0.95), (1e6, 1.0), (-1e6, 0.0)]
    )
    def test_interval_bounds_hold_their_share(self, limit: float, expected: float) -> None:
        assert below_probability(LIFE, LIFE_ROW, limit) == pytest.approx(expected, abs=1e-6)

    def test_interval_without_width_is_certain(self) -> None:
        row = {"remaining_life": 50.0, "lower": 50.0, "upper": 50.0}
        assert [below_probability(LIFE, row, limit) for limit in (49, 50, 51)] == [0, 0, 1]

    def test_levels_get_the_probability_between_their_limits(self) -> None:
        found = level_probabilities(LIFE, LIFE_ROW, (None, 30.0, 50.0))
        assert found == pytest.approx((0.05, 0.45, 0.5))

    @pytest.mark.parametrize("minimums", [(None, None), (0.0, 50.0, 30.0), (0.0, 50.0, 50.0)])
    def test_levels_without_ascending_minimums_are_not_placed(
        self, minimums: tuple[float | None, ...]
    ) -> None:
        with pytest.raises(NotAnswerable) as reason:
            level_probabilities(LIFE, LIFE_ROW, minimums)
        assert reason.value.code == "minimum_missing"


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ("The machine will fail.", True),
        ("This operating point is a failure", True),
        ("机器会发生故障。", True),
        ("The machine will not fail.", False),
        ("The machine doesn't fail.", False),
        ("机器不会发生故障。", False),
        ("The machine fails because of tool wear.", False),
        ("The machine is healthy.", False),
        ("The torque is high.", False),
        ("If it fails, it is the tool.", False),
        ("The machine will fail within the next hour.", False),
    ],
)
def test_only_plain_statements_ask_for_the_event(instructions: str, expected: bool) -> None:
    assert asks_for(FAILURE, instructions) is expected
