"""The committed failure class artefact, and reproduction of it by training.

Covers the signature, known operating points, unreadable input and recorded metrics.
"""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from sklearn.metrics import f1_score

from models.calibration import Calibration
from models.failure_class.data import (
    FILE,
    Dataset,
    OperatingPoints,
    load,
)
from models.failure_class.evaluate import METRICS
from models.failure_class.export import DecisionRule, threshold_of, to_onnx
from models.failure_class.features import compute_features
from models.failure_class.signature import REASONS
from models.failure_class.train import ARTEFACT, TrainedModel, fit, run_artefact, train
from models.onnx_graph import METADATA_KEY
from models.reason_fields import REASON_COUNT
from models.training_data import DIRECTORY_VARIABLE, TrainingDataMissing, default_directory
from tests.support.nightly import nightly

ONNX_TYPES: Mapping[str, str] = MappingProxyType(
    {"BYTES": "tensor(string)", "FP32": "tensor(float)", "INT64": "tensor(int64)"}
)
# Machines may sum the trees' leaves in a different order.
TOLERANCE = 1e-6

Row = tuple[str, float, float, float, float, float]

# type, air K, process K, rpm, N·m, min
HEALTHY: Mapping[str, Row] = MappingProxyType(
    {
        "usual": ("L", 300.0, 310.0, 1500.0, 40.0, 100.0),
        "light cut": ("M", 298.0, 308.5, 1800.0, 28.0, 20.0),
        "high grade, new tool": ("H", 300.0, 310.0, 1500.0, 40.0, 10.0),
    }
)
FAILING: Mapping[str, Row] = MappingProxyType(
    {
        "heat not carried off": ("L", 302.5, 310.7, 1330.0, 52.0, 60.0),
        "too much power": ("L", 300.0, 310.0, 1420.0, 68.0, 50.0),
        "too little power": ("M", 300.0, 310.0, 2700.0, 10.0, 50.0),
        "overstrained": ("L", 300.0, 310.0, 1400.0, 55.0, 220.0),
    }
)
REASONS_OF: Mapping[str, str] = MappingProxyType(
    {
        "heat not carried off": "temperature_difference",
        "too much power": "power",
        "too little power": "power",
        "overstrained": "strain",
    }
)
UNREADABLE: Mapping[str, Row] = MappingProxyType(
    {
        "unknown type": ("X", 300.0, 310.0, 1500.0, 40.0, 100.0),
        "type in lower case": ("l", 300.0, 310.0, 1500.0, 40.0, 100.0),
        "torque missing": ("L", 300.0, 310.0, 1500.0, float("nan"), 100.0),
        "speed infinite": ("L", 300.0, 310.0, float("inf"), 40.0, 100.0),
        "temperature missing": ("L", float("nan"), 310.0, 1500.0, 40.0, 100.0),
    }
)


def points(*rows: Row) -> OperatingPoints:
    types, *quantities = zip(*rows, strict=True)
    columns = [np.array(values, dtype=np.float32) for values in quantities]
    return OperatingPoints(np.array(types, dtype=np.str_), *columns)


@pytest.fixture(scope="module")
def artefact() -> bytes:
    return ARTEFACT.read_bytes()


@pytest.fixture(scope="module")
def session(artefact: bytes) -> ort.InferenceSession:
    return ort.InferenceSession(artefact, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def signature(session: ort.InferenceSession) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    return document


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    try:
        return load(default_directory())
    except TrainingDataMissing as error:
        pytest.skip(f"needs the training data: {error}")


@pytest.fixture(scope="module")
def trained(dataset: Dataset) -> TrainedModel:
    return train(dataset)


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(METRICS.read_text(encoding="utf-8"))
    return document


def test_failure_class_signature_matches_graph_tensors(
    session: ort.InferenceSession, signature: dict[str, Any]
) -> None:
    for side, tensors in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        promised = {one["name"]: ONNX_TYPES[one["datatype"]] for one in signature[side]}
        assert promised == {tensor.name: tensor.type for tensor in tensors}
        lists = {one["name"] for one in signature[side] if one.get("series")}
        for tensor in tensors:
            assert tensor.shape == (["batch", REASON_COUNT] if tensor.name in lists else ["batch"])
    assert signature["version"] == "2"


def test_failure_class_trained_range_is_within_physical_limits(signature: dict[str, Any]) -> None:
    quantities = [one for one in signature["inputs"] if one["datatype"] == "FP32"]
    assert len(quantities) == 5
    for one in quantities:
        low, high = one["trained"]
        assert one["minimum"] <= low < high <= one["maximum"]
        assert one["unit"]
        assert one["description"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("air_temperature", 26.9, id="air in degrees Celsius"),
        pytest.param("process_temperature", 98.3, id="process in degrees Fahrenheit"),
        pytest.param("rotational_speed", 25.0, id="speed in revolutions a second"),
        pytest.param("torque", 4_000.0, id="torque in newton-centimetres"),
        pytest.param("tool_wear", 6_480.0, id="wear in seconds"),
    ],
)
def test_failure_class_limits_exclude_values_in_wrong_units(
    signature: dict[str, Any], name: str, value: float
) -> None:
    one = next(one for one in signature["inputs"] if one["name"] == name)
    assert not one["minimum"] <= value <= one["maximum"]


@pytest.mark.parametrize("row", HEALTHY.values(), ids=HEALTHY)
def test_failure_class_of_healthy_operating_point_is_0(artefact: bytes, row: Row) -> None:
    answer = run_artefact(artefact, points(row))
    assert answer.failure.tolist() == [0]
    assert answer.probability[0] < 0.05


@pytest.mark.parametrize("row", FAILING.values(), ids=FAILING)
def test_failure_class_of_failing_operating_point_is_1(artefact: bytes, row: Row) -> None:
    answer = run_artefact(artefact, points(row))
    assert answer.failure.tolist() == [1]
    assert answer.probability[0] > 0.9


@pytest.mark.parametrize(("kind", "reason"), REASONS_OF.items())
def test_failure_class_strongest_reason_is_physical_cause(
    artefact: bytes, kind: str, reason: str
) -> None:
    answer = run_artefact(artefact, points(FAILING[kind]))
    assert answer.reasons[0, 0] == reason
    assert answer.contributions[0, 0] > 3


def test_failure_class_reasons_are_sorted_by_strength(artefact: bytes) -> None:
    answer = run_artefact(artefact, points(*HEALTHY.values(), *FAILING.values()))
    strength = np.abs(answer.contributions)
    assert answer.reasons.shape == answer.contributions.shape == (7, REASON_COUNT)
    assert np.all(np.diff(strength, axis=1) <= 0)
    assert set(answer.reasons.ravel()) <= set(REASONS)
    assert all(len(set(row)) == REASON_COUNT for row in answer.reasons.tolist())


@pytest.mark.parametrize("row", UNREADABLE.values(), ids=UNREADABLE)
def test_failure_class_is_not_predicted_for_unreadable_input(artefact: bytes, row: Row) -> None:
    answer = run_artefact(artefact, points(HEALTHY["usual"], row))
    assert np.isnan(answer.probability).tolist() == [False, True]
    assert answer.failure.tolist() == [0, -1]
    assert np.isnan(answer.contributions).tolist() == [
        [False] * REASON_COUNT,
        [True] * REASON_COUNT,
    ]
    assert answer.reasons[1].tolist() == [""] * REASON_COUNT


def test_failure_probability_never_falls_with_less_cooling(
    artefact: bytes,
) -> None:
    # Only the air temperature changes: the difference falls from 12 K to 5 K.
    warmer: list[Row] = [("L", 300.0 + step / 10, 312.0, 1330.0, 45.0, 60.0) for step in range(70)]
    probability = run_artefact(artefact, points(*warmer)).probability
    assert np.all(np.diff(probability) >= -TOLERANCE)
    assert probability[0] < 0.5 < probability[-1]


def test_failure_class_of_batch_equals_single_rows(artefact: bytes) -> None:
    rows = [*HEALTHY.values(), *FAILING.values(), *UNREADABLE.values()]
    together = run_artefact(artefact, points(*rows))
    alone = [run_artefact(artefact, points(row)) for row in rows]
    for part in ("probability", "contributions"):
        apart = np.concatenate([getattr(one, part) for one in alone])
        np.testing.assert_allclose(getattr(together, part), apart, rtol=0, atol=1e-5)
    assert together.failure.tolist() == [one.failure[0] for one in alone]
    assert together.reasons.tolist() == [one.reasons[0].tolist() for one in alone]


def test_failure_class_of_empty_batch_is_empty(session: ort.InferenceSession) -> None:
    feed = {name: column[:0] for name, column in points(("L", 1, 1, 1, 1, 1)).input_feed().items()}
    assert [output.shape for output in session.run(None, feed)] == [
        (0,),
        (0,),
        (0, REASON_COUNT),
        (0, REASON_COUNT),
    ]


def test_failure_class_artefact_matches_recorded_metrics(
    artefact: bytes, dataset: Dataset, metrics: dict[str, Any]
) -> None:
    failure = run_artefact(artefact, dataset.points).failure
    recorded = metrics["artefact"]
    assert f1_score(dataset.failed, failure == 1) == pytest.approx(
        recorded["on_rows_it_was_trained_on"]["f1"], abs=1e-3
    )
    assert recorded["bytes"] == len(artefact)
    assert metrics["data"]["sha256"] == dataset.sha256


@nightly
def test_failure_class_training_reproduces_committed_artefact(
    artefact: bytes, dataset: Dataset, trained: TrainedModel
) -> None:
    committed = run_artefact(artefact, dataset.points)
    again = run_artefact(trained.model.SerializeToString(), dataset.points)
    np.testing.assert_allclose(again.probability, committed.probability, rtol=0, atol=TOLERANCE)
    assert again.failure.tolist() == committed.failure.tolist()
    stored = threshold_of(onnx.load_from_string(artefact))
    assert trained.rule.threshold == pytest.approx(stored, abs=TOLERANCE)


def test_failure_class_recorded_metrics_meet_targets(metrics: dict[str, Any]) -> None:
    """Calibration does not reduce F1 and improves on the uncalibrated trees."""
    told = metrics["stratified_5_fold"]["mean"]
    assert told["f1"] >= 0.86
    assert told["ece"] < told["uncalibrated_ece"]
    assert told["log_loss"] < told["uncalibrated_log_loss"]
    assert told["reason_is_the_documented_one"] > 0.95


def test_failure_class_export_is_deterministic(dataset: Dataset) -> None:
    features = compute_features(dataset.points)
    rule = DecisionRule(Calibration(0.8, np.zeros(2)), np.float32(0.5))
    first, second = (
        to_onnx(fit(features, dataset.failed), rule, "{}").SerializeToString(deterministic=True)
        for _ in range(2)
    )
    assert first == second


def test_missing_failure_class_data_raises_training_data_missing(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataMissing, match=DIRECTORY_VARIABLE):
        load(tmp_path)


def test_failure_class_data_without_label_is_rejected(tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_bytes(gzip.compress("\ufeffUDI,Type\n1,L\n".encode()))
    with pytest.raises(TrainingDataMissing, match="Machine failure"):
        load(tmp_path)


def test_data_directory_is_read_from_environment(tmp_path: Path) -> None:
    assert default_directory({DIRECTORY_VARIABLE: str(tmp_path)}) == tmp_path
    assert default_directory({}).parts[-2:] == ("shared", "data")
