"""The committed condition artefact: signature, predictions and recorded metrics."""

import json
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from models.condition.data import SECONDS, SENSORS, TARGETS, Dataset, Floats, load
from models.condition.evaluate import METRICS
from models.condition.signature import CONDITION_SPECS, NOT_APPLICABLE
from models.condition.train import ARTEFACT, predict_with_graph, train
from models.onnx_graph import METADATA_KEY
from models.onnx_session import open_session
from models.reason_fields import REASON_COUNT
from models.training_data import TrainingDataMissing, default_directory
from models.units import unit_conversion
from tests.support.models.made_up_cycles import dataset as made_up
from tests.support.nightly import nightly

# Machines may sum products in a different order.
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def artefact() -> bytes:
    return ARTEFACT.read_bytes()


@pytest.fixture(scope="module")
def session(artefact: bytes) -> ort.InferenceSession:
    return open_session(artefact)


@pytest.fixture(scope="module")
def signature(session: ort.InferenceSession) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    return document


@pytest.fixture(scope="module")
def rig() -> Dataset:
    try:
        return load(default_directory())
    except TrainingDataMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(METRICS.read_text(encoding="utf-8"))
    return document


@pytest.fixture
def cycles() -> Floats:
    return made_up(seed=5, repeats=1).readings[:6]


def test_condition_signature_matches_graph_inputs_and_outputs(
    session: ort.InferenceSession, signature: dict[str, Any]
) -> None:
    assert [one["name"] for one in signature["inputs"]] == [*SENSORS]
    assert [node.name for node in session.get_inputs()] == [*SENSORS]
    assert all(one["length"] == [SECONDS, SECONDS] for one in signature["inputs"])
    assert [one["name"] for one in signature["outputs"]] == [
        node.name for node in session.get_outputs()
    ]
    for one, node in zip(signature["outputs"], session.get_outputs(), strict=True):
        assert node.shape == (["batch", REASON_COUNT] if one.get("series") else ["batch"])


def test_condition_units_are_valid_and_limits_cover_trained_range(
    signature: dict[str, Any],
) -> None:
    for one in signature["inputs"]:
        unit_conversion(one["unit"], one["unit"])
        assert one["minimum"] <= one["trained"][0] < one["trained"][1] <= one["maximum"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("PS1", 15.9, id="pressure in megapascals"),
        pytest.param("PS1", 2300.0, id="pressure in pounds a square inch"),
        pytest.param("EPS1", 2.4, id="power in kilowatts"),
        pytest.param("TS1", 318.0, id="temperature in kelvin"),
        pytest.param("CP", 1600.0, id="cooling power in watts"),
        pytest.param("CE", 28_258.0, id="the misread thousands of the published file"),
    ],
)
def test_condition_limits_exclude_values_in_wrong_units(
    signature: dict[str, Any], name: str, value: float
) -> None:
    one = next(one for one in signature["inputs"] if one["name"] == name)
    assert not one["minimum"] <= value <= one["maximum"]


def test_condition_descriptions_contain_every_label(signature: dict[str, Any]) -> None:
    described = {one["name"]: one["description"] for one in signature["outputs"]}
    for target in TARGETS:
        for probabilities, word in zip(
            target.conditions, CONDITION_SPECS[target.name].labels, strict=True
        ):
            assert f"{probabilities} {word}" in described[target.name]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_condition_is_not_applicable_for_non_finite_input(
    artefact: bytes, cycles: Floats, wrong: float
) -> None:
    cycles[1, 4, 30] = wrong
    for prediction in predict_with_graph(artefact, cycles).values():
        assert prediction.condition[1] == NOT_APPLICABLE
        assert np.isnan(prediction.probability).tolist() == [False, True] + [False] * 4
        assert prediction.reasons[1].tolist() == [""] * REASON_COUNT
        assert np.isnan(prediction.contributions[1]).all()


def test_condition_of_batch_equals_single_cycles(artefact: bytes, cycles: Floats) -> None:
    together = predict_with_graph(artefact, cycles)
    for at in range(len(cycles)):
        for name, alone in predict_with_graph(artefact, cycles[at : at + 1]).items():
            assert together[name].condition[at] == alone.condition[0]
            assert together[name].probability[at] == pytest.approx(alone.probability[0], abs=1e-4)
            assert together[name].reasons[at].tolist() == alone.reasons[0].tolist()


def test_condition_of_empty_batch_is_empty(session: ort.InferenceSession, cycles: Floats) -> None:
    feed = {name: cycles[:0, at] for at, name in enumerate(SENSORS)}
    assert all(len(output) == 0 for output in session.run(None, feed))


def test_condition_recorded_metrics_meet_targets(metrics: dict[str, Any]) -> None:
    probabilities = metrics["accuracy_over_all_cuts"]
    assert probabilities["accumulator"] >= 0.92
    assert min(probabilities[name] for name in ("cooler", "valve", "pump")) >= 0.99


def test_condition_artefact_matches_recorded_metrics(
    artefact: bytes, rig: Dataset, metrics: dict[str, Any]
) -> None:
    assert metrics["artefact"]["bytes"] == len(artefact)
    assert metrics["data"]["sha256"] == dict(rig.sha256)
    predictions = predict_with_graph(artefact, rig.readings)
    for at, target in enumerate(TARGETS):
        truth = np.array(target.conditions)[rig.labels[:, at]]
        assert np.mean(predictions[target.name].condition == truth) > 0.99


@nightly
def test_condition_training_reproduces_committed_artefact(artefact: bytes, rig: Dataset) -> None:
    committed = predict_with_graph(artefact, rig.readings)
    again = predict_with_graph(train(rig).model.SerializeToString(), rig.readings)
    for target in TARGETS:
        one, other = committed[target.name], again[target.name]
        assert one.condition.tolist() == other.condition.tolist()
        np.testing.assert_allclose(one.probability, other.probability, rtol=0, atol=TOLERANCE)
