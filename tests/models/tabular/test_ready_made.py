"""A training that is compared with a ready-made model on the rows that it held out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from models.evaluation.statistics import Verdict
from models.ready_made.values import ReadyMade, ReadyMadeScore
from models.signature import Columns, InputField, OutputField, Signature
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest
from models.tabular.data import Goal, Target
from models.tabular.ready_made import HeldOut, RowInputs, score_ready_made
from tests.support.models.tables import csv, data_of, machines

TABLE = machines(4, 30)
SIGNATURE = Signature((InputField("load", "FP32"),), (OutputField("label", "INT64"),), "1")
STATED = ReadyMade(model="cutting", columns={"load": "torque"}, labels={"1": "yes", "0": "no"})


@dataclass(frozen=True)
class Threshold:
    """A model that predicts 1 above a torque."""

    limit: float
    signature: Signature = SIGNATURE

    def predict(self, columns: Columns) -> Columns:
        return {"label": (columns["load"] > self.limit).astype(np.int64)}


def scored(
    right: float, limit: float, stated: ReadyMade = STATED
) -> tuple[ReadyMadeScore | None, list[Any]]:
    """The scores of a trained model that is right in a share of the rows, and of a threshold."""
    schema = SchemaRequest(
        target="failure", machine="machine", ignored=("wear",), ready_made=stated
    )
    data = data_of(TABLE, Goal.CLASS, target="failure", machine="machine", ignored=("wear",))
    truth = data.target.values
    wrong = np.arange(len(truth)) % 10 >= 10 * right
    predicted = np.where(wrong, 1 - truth, truth)
    predicted[:5] = np.nan
    log: list[Any] = []
    clusters = np.arange(len(truth)) // 30
    model = Threshold(limit)
    inputs = RowInputs(read_table(csv(TABLE)), schema, data.rows)
    held_out = HeldOut(data.target, predicted, clusters)
    return score_ready_made(lambda: model, stated, inputs, held_out, log.append), log


def test_better_model_is_named_by_the_interval_of_the_difference() -> None:
    found, log = scored(1.0, 1000)
    assert found is not None
    assert (found.rows, found.trained, found.trained_is) == (115, 1.0, Verdict.BETTER)
    assert found.difference_interval[0] > 0
    assert "the trained model is better" in log[0]
    worse, log = scored(0.2, 47)
    assert worse is not None
    assert worse.trained_is is Verdict.WORSE
    assert "the ready-made model is better" in log[0]


def test_equal_models_are_not_told_apart() -> None:
    found, _ = scored(0.8, 47)
    assert found is not None
    low, high = found.difference_interval
    assert (low <= 0 <= high) == (found.trained_is is Verdict.NO_DIFFERENCE_SHOWN)


def test_classes_of_other_names_need_labels_and_the_training_goes_on() -> None:
    found, log = scored(1.0, 47, replace_labels({}))
    assert found is None
    assert "State `labels`" in log[0]


def test_training_without_ready_made_model_reports_nothing() -> None:
    log: list[Any] = []
    data = data_of(TABLE, Goal.CLASS, target="failure", ignored=("wear",))
    inputs = RowInputs(read_table(csv(TABLE)), SchemaRequest(), data.rows)
    held_out = HeldOut(data.target, np.full(len(data), np.nan), np.arange(len(data)))
    assert score_ready_made(None, None, inputs, held_out, log.append) is None
    assert not log


class Wear:
    """A model that predicts a wear in micrometres."""

    signature = Signature(
        (InputField("load", "FP32"),), (OutputField("wear", "FP32", unit="um"),), "1"
    )

    def predict(self, columns: Columns) -> Columns:
        return {"wear": columns["load"] * 1000}


@pytest.mark.parametrize(("unit", "cap", "is_exact"), [("mm", None, True), ("mm", 10.0, False)])
def test_predicted_numbers_are_in_the_units_of_the_target_and_capped(
    unit: str, cap: float | None, is_exact: bool
) -> None:
    found, _ = scored_numbers(unit, cap)
    assert found is not None
    assert (found.score == pytest.approx(0, abs=1e-4)) == is_exact


def test_number_of_another_quantity_is_not_scored() -> None:
    found, log = scored_numbers("°C", None)
    assert found is None
    assert "in um, but the target is in °C" in log[0]


def scored_numbers(unit: str, cap: float | None) -> tuple[ReadyMadeScore | None, list[Any]]:
    """The scores of a model in another unit, for a target that is the torque."""
    schema = SchemaRequest(target="failure", ignored=("wear",))
    data = data_of(TABLE, Goal.CLASS, target="failure", ignored=("wear",))
    torque = np.array([float(str(value)) for value in TABLE["torque"]])
    target = Target("wear", Goal.NUMBER, torque, unit)
    log: list[Any] = []
    inputs = RowInputs(read_table(csv(TABLE)), schema, data.rows)
    held_out = HeldOut(target, torque + 1, np.arange(len(data)) // 30, cap)
    stated = ReadyMade(model="cutting", columns={"load": "torque"})
    return score_ready_made(Wear, stated, inputs, held_out, log.append), log


def replace_labels(labels: dict[str, str]) -> ReadyMade:
    return ReadyMade(model=STATED.model, columns=STATED.columns, labels=labels)
