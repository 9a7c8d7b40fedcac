"""A training that is compared with a ready-made model on the rows that it held out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.evaluation.statistics import Verdict
from models.ready_made.values import ReadyMade, ReadyMadeScore
from models.signature import Columns, InputField, OutputField, Signature
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest
from models.tabular.data import Goal
from models.tabular.ready_made import score_ready_made
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
    table = read_table(csv(TABLE))
    return score_ready_made(
        lambda: model, schema, table, data, predicted, clusters, log.append
    ), log


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
    nothing = np.full(len(data), np.nan)
    table = read_table(csv(TABLE))
    empty = np.arange(len(data))
    assert score_ready_made(None, SchemaRequest(), table, data, nothing, empty, log.append) is None
    assert not log


def replace_labels(labels: dict[str, str]) -> ReadyMade:
    return ReadyMade(model=STATED.model, columns=STATED.columns, labels=labels)
