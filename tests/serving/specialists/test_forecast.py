"""Forecasters in serving: histories, batches of several horizons, broken artefacts."""

import json
from typing import Any

import numpy as np
import pytest

from models.catalog import Task
from models.forecasting.history import parse_times
from models.tables.dates import DayOrder
from serving.errors import InputInvalid, WeightsBroken
from serving.specialists.inference import parse_inference, render_inference, run_batch
from serving.specialists.input_bins import describe_bins
from serving.specialists.loader import ModelSource, load_specialist
from serving.specialists.specialist import Specialist, model_metadata
from tests.support.models.series import TARGET, load_curve, trained_forecaster

BASE = load_specialist("base", ModelSource(Task.REGRESSION, "", "series_forecaster"))


@pytest.fixture(scope="module")
def model() -> Specialist:
    return BASE.load_variant("load", "2", trained_forecaster().artefact)


def body(horizon: float | None = None, rows: int = 84) -> bytes:
    curve = load_curve(10, seed=9)
    inputs: list[dict[str, Any]] = [
        {"name": "time", "datatype": "BYTES", "shape": [1, rows], "data": curve["time"][-rows:]},
        {"name": TARGET, "datatype": "FP32", "shape": [1, rows], "data": curve[TARGET][-rows:]},
    ]
    if horizon is not None:
        inputs.append({"name": "horizon", "datatype": "FP32", "shape": [1], "data": [horizon]})
    return json.dumps({"inputs": inputs}).encode()


def test_requests_with_different_horizons_share_a_batch(model: Specialist) -> None:
    parsed = [parse_inference(model, body(horizon), None) for horizon in (5, None, 7, 5)]
    results = run_batch([(model, columns, 1) for _, columns in parsed])
    assert [one["forecast"].shape for one in results] == [(1, 5), (1, 42), (1, 7), (1, 5)]
    answer = json.loads(render_inference(model, parsed[0][0], results[0]).body)
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    assert outputs["time"][0][0] == "2026-03-12T00:00:00"
    assert outputs["filled"] == [0]


def test_metadata_has_the_customers_columns(model: Specialist) -> None:
    metadata = model_metadata(model)
    assert [one["name"] for one in metadata["inputs"]] == ["time", TARGET, "horizon", "level"]
    assert metadata["versions"] == ["2"]


def test_short_history_is_rejected_before_the_batch(model: Specialist) -> None:
    with pytest.raises(InputInvalid) as caught:
        parse_inference(model, body(rows=30), None)
    assert caught.value.param == "time"


def test_broken_artefact_and_nested_variant_are_rejected(model: Specialist) -> None:
    with pytest.raises(WeightsBroken):
        BASE.load_variant("load", "2", b"{}")
    with pytest.raises(InputInvalid):
        model.load_variant("load", "3", b"{}")


def test_times_of_a_call_are_read_once(model: Specialist, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(texts: Any, name: str, order: DayOrder | None) -> Any:
        if texts.dtype == object:
            read.append(len(texts))
        return parse_times(texts, name, order)

    monkeypatch.setattr("models.forecasting.variant.parse_times", counted)
    _, columns = parse_inference(model, body(), None)
    (results,) = run_batch([(model, columns, 1)])
    assert describe_bins(model, columns, results) is not None
    assert read == [1]


def test_time_in_a_zone_that_is_not_read_is_refused_with_what_to_write() -> None:
    texts = np.array([["2026-03-25 08:15 CST"]], dtype=object)
    with pytest.raises(InputInvalid, match=r"is no time\. The time zone CST is not read: write"):
        parse_times(texts, "time", None)


def test_forecast_from_texts_is_that_from_seconds(model: Specialist) -> None:
    curve = load_curve(10, seed=9)
    texts = {
        "time": np.array([curve["time"][-84:]], dtype=object),
        TARGET: np.array([curve[TARGET][-84:]], dtype=np.float32),
        "horizon": np.array([5.0]),
        "level": np.array([0.9]),
    }
    _, columns = parse_inference(model, body(5), None)
    for name, values in model.run(texts).items():
        assert np.array_equal(values, model.run(columns)[name]), name
