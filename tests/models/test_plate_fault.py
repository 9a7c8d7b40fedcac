"""The committed plate fault artefact, and reproduction of it by training."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from models.onnx_graph import METADATA_KEY
from models.onnx_session import open_session
from models.plate_fault.data import FAULTS, FILE, MEASURES, Dataset, Floats, load
from models.plate_fault.evaluate import METRICS
from models.plate_fault.export import to_onnx
from models.plate_fault.groups import (
    MEASURE_GROUPS,
    coalition_measures,
    coalitions,
    shapley_weights,
)
from models.plate_fault.signature import LIMITS
from models.plate_fault.signature import build_signature as signature_of
from models.plate_fault.train import (
    ARTEFACT,
    TrainedModel,
    fit_model,
    predict,
    reference_plate,
    run_artefact,
    train,
)
from models.reason_fields import REASON_COUNT
from models.training_data import DIRECTORY_VARIABLE, TrainingDataMissing, default_directory
from tests.support.nightly import nightly

TOLERANCE = 1e-4
MADE_UP_PLATES = 280


def made_up(seed: int) -> Dataset:
    """Plates on which each fault raises one measure; thickness is unrelated to faults."""
    generator = np.random.default_rng(seed)
    measures = generator.uniform(0.2, 0.4, size=(MADE_UP_PLATES, len(MEASURES)))
    faults = generator.permutation(np.arange(MADE_UP_PLATES) % len(FAULTS))
    measures[np.arange(MADE_UP_PLATES), faults] += 0.5
    return Dataset(measures.astype(np.float32), faults, "")


@pytest.fixture(scope="module")
def artefact() -> bytes:
    return ARTEFACT.read_bytes()


@pytest.fixture(scope="module")
def session(artefact: bytes) -> ort.InferenceSession:
    return open_session(artefact)


@pytest.fixture(scope="module")
def build_signature(session: ort.InferenceSession) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    return document


@pytest.fixture(scope="module")
def plates() -> Floats:
    """Random plates within the limits."""
    low = np.array([LIMITS[name].minimum for name in MEASURES])
    high = np.array([LIMITS[name].maximum for name in MEASURES])
    shares = np.random.default_rng(1).uniform(size=(5, len(MEASURES)))
    return (low + shares**4 * (high - low)).astype(np.float32)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    try:
        return load(default_directory())
    except TrainingDataMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(METRICS.read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    """A model fitted on simulated plates."""
    plates = made_up(seed=1)
    return fit_model(plates.measures, plates.faults)


class TestPlateFaultTraining:
    @nightly
    def test_model_predicts_faults_of_unseen_plates(self, trained: TrainedModel) -> None:
        other = made_up(seed=2)
        answer = run_artefact(trained.model.SerializeToString(), other.measures)
        assert np.mean(answer.fault == np.array(list(FAULTS))[other.faults]) > 0.95

    def test_strongest_reason_is_the_decisive_group(self, trained: TrainedModel) -> None:
        """Faults 0 to 3 raise a position, 4 to 6 a size."""
        other = made_up(seed=2)
        answer = run_artefact(trained.model.SerializeToString(), other.measures)
        telling = np.where(other.faults < 4, "position", "size")
        assert np.mean(answer.reasons[:, 0] == telling) > 0.9
        assert np.median(answer.contributions[:, 0]) > 1

    def test_graph_probabilities_equal_tree_probabilities(self, trained: TrainedModel) -> None:
        other = made_up(seed=3)
        answer = run_artefact(trained.model.SerializeToString(), other.measures)
        expected = predict(trained, other.measures)
        np.testing.assert_allclose(answer.class_probabilities, expected, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(answer.probability, expected.max(axis=1), atol=TOLERANCE)


class TestPlateFaultReasons:
    def test_every_measure_is_in_exactly_one_group(self) -> None:
        grouped = [name for names in MEASURE_GROUPS.values() for name in names]
        assert sorted(grouped) == sorted(MEASURES)

    def test_coalitions_range_from_reference_to_own_measures(self) -> None:
        own = coalition_measures()
        assert own.shape == (2 ** len(MEASURE_GROUPS), len(MEASURES))
        assert not own[0].any()
        assert own[-1].all()
        assert len(np.unique(own, axis=0)) == len(own)

    def test_shapley_values_of_sum_are_its_terms(self) -> None:
        """Shapley values of a sum are its terms; a product of two is split in halves."""
        terms = np.array([3.0, -1.0, 0.5, 0.0, 2.0])
        both = coalitions()[:, 0] & coalitions()[:, 4]
        np.testing.assert_allclose((coalitions() @ terms) @ shapley_weights(), terms, atol=1e-12)
        np.testing.assert_allclose(both @ shapley_weights(), [0.5, 0, 0, 0, 0.5], atol=1e-12)

    def test_contributions_are_log_odds_differences(self, trained: TrainedModel) -> None:
        """Three of five groups are reported. If only one group deviates from the reference plate,
        its contribution is the whole difference."""
        other = made_up(seed=2).measures
        usual = reference_plate(other)
        plates = np.tile(usual, (2, 1))
        plates[1, MEASURES.index("Y_Minimum")] += 0.5
        model = to_onnx(trained.trees, trained.calibration, usual, signature_of(other))
        answer = run_artefact(model.SerializeToString(), plates)
        before, after = predict(trained, plates)[:, predict(trained, plates)[1].argmax()]
        step = np.log(after / (1 - after)) - np.log(before / (1 - before))
        assert answer.reasons[1, 0] == "position"
        assert answer.contributions[1].tolist() == pytest.approx([step, 0, 0], abs=1e-3)
        assert answer.contributions[0].tolist() == pytest.approx([0, 0, 0], abs=1e-3)


class TestPlateFaultArtefact:
    def test_signature_matches_graph_inputs_and_outputs(
        self, session: ort.InferenceSession, build_signature: dict[str, Any]
    ) -> None:
        assert [one["name"] for one in build_signature["inputs"]] == [*MEASURES]
        assert [node.name for node in session.get_inputs()] == [*MEASURES]
        assert [one["name"] for one in build_signature["outputs"]] == [
            node.name for node in session.get_outputs()
        ]
        for one, node in zip(build_signature["outputs"], session.get_outputs(), strict=True):
            assert node.shape == (["batch", REASON_COUNT] if one.get("series") else ["batch"])
        for one in build_signature["inputs"]:
            low, high = one["trained"]
            assert one["minimum"] <= low < high <= one["maximum"]
            assert one["description"]

    def test_class_probabilities_sum_to_1_and_determine_fault(
        self, artefact: bytes, plates: Floats
    ) -> None:
        answer = run_artefact(artefact, plates)
        assert answer.class_probabilities.sum(axis=1) == pytest.approx(
            np.ones(len(plates)), abs=1e-5
        )
        assert answer.probability == pytest.approx(answer.class_probabilities.max(axis=1))
        assert answer.fault.tolist() == [
            [*FAULTS][at] for at in answer.class_probabilities.argmax(axis=1)
        ]

    def test_reasons_are_sorted_by_strength(self, artefact: bytes, plates: Floats) -> None:
        answer = run_artefact(artefact, plates)
        assert np.all(np.diff(np.abs(answer.contributions), axis=1) <= 0)
        assert set(answer.reasons.ravel()) <= set(MEASURE_GROUPS)

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    def test_non_finite_row_has_no_prediction(
        self, artefact: bytes, plates: Floats, wrong: float
    ) -> None:
        spoilt = plates.copy()
        spoilt[2, 7] = wrong
        answer = run_artefact(artefact, spoilt)
        assert [bool(one) for one in answer.fault] == [True, True, False, True, True]
        assert np.isnan(answer.class_probabilities).all(axis=1).tolist() == [
            False,
            False,
            True,
            False,
            False,
        ]
        assert answer.reasons[2].tolist() == [""] * REASON_COUNT
        assert np.isnan(answer.contributions[2]).all()

    def test_batch_results_equal_single_row_results(self, artefact: bytes, plates: Floats) -> None:
        together = run_artefact(artefact, plates)
        for at in range(len(plates)):
            alone = run_artefact(artefact, plates[at : at + 1])
            assert together.class_probabilities[at] == pytest.approx(
                alone.class_probabilities[0], abs=1e-5
            )
            assert together.reasons[at].tolist() == alone.reasons[0].tolist()

    def test_empty_batch_returns_empty_outputs(
        self, session: ort.InferenceSession, plates: Floats
    ) -> None:
        feed = {name: plates[:0, at] for at, name in enumerate(MEASURES)}
        assert all(len(output) == 0 for output in session.run(None, feed))


class TestRecordedMetrics:
    def test_recorded_metrics_meet_targets(self, metrics: dict[str, Any]) -> None:
        told = metrics["stratified_10_fold"]["mean"]
        assert told["accuracy"] >= 0.81
        assert told["ece"] < told["uncalibrated_ece"]
        assert told["log_loss"] < told["uncalibrated_log_loss"]

    def test_committed_artefact_matches_recorded_metrics(
        self, artefact: bytes, dataset: Dataset, metrics: dict[str, Any]
    ) -> None:
        answer = run_artefact(artefact, dataset.measures)
        right = np.mean(answer.fault == np.array(list(FAULTS))[dataset.faults])
        recorded = metrics["artefact"]
        assert right == pytest.approx(recorded["accuracy_on_plates_it_was_trained_on"], abs=2e-3)
        assert recorded["bytes"] == len(artefact)
        assert metrics["data"]["sha256"] == dataset.sha256

    @nightly
    def test_training_reproduces_committed_artefact(
        self, artefact: bytes, dataset: Dataset
    ) -> None:
        committed = run_artefact(artefact, dataset.measures)
        again = run_artefact(train(dataset).model.SerializeToString(), dataset.measures)
        np.testing.assert_allclose(
            again.class_probabilities, committed.class_probabilities, rtol=0, atol=TOLERANCE
        )
        assert again.fault.tolist() == committed.fault.tolist()


class TestPlateFaultData:
    def test_missing_data_raises_training_data_missing(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingDataMissing, match=DIRECTORY_VARIABLE):
            load(tmp_path)

    def test_missing_column_is_rejected_with_name(self, tmp_path: Path) -> None:
        write(tmp_path, [*MEASURES, *list(FAULTS.values())[:-1]], [])
        with pytest.raises(TrainingDataMissing, match="Other_Faults"):
            load(tmp_path)

    def test_plate_with_two_faults_is_rejected(self, tmp_path: Path) -> None:
        write(tmp_path, [*MEASURES, *FAULTS.values()], [1, 1, 0, 0, 0, 0, 0])
        with pytest.raises(TrainingDataMissing, match="exactly one"):
            load(tmp_path)

    def test_columns_are_read_by_name(self, tmp_path: Path) -> None:
        columns = [*MEASURES, *FAULTS.values()]
        write(tmp_path, columns[::-1], [0, 0, 0, 0, 1, 0, 0])
        read = load(tmp_path)
        assert read.measures[0].tolist() == list(range(len(MEASURES)))
        assert list(FAULTS)[read.faults[0]] == "k_scratch"


def write(directory: Path, columns: list[str], faults: list[int]) -> None:
    """Write a file with one plate whose measures count from 0 in the model's order."""
    values = {name: str(at) for at, name in enumerate(MEASURES)}
    marks = faults[::-1] if columns[0] not in MEASURES else faults
    values |= {name: str(mark) for name, mark in zip(FAULTS.values(), marks, strict=False)}
    row = ",".join(values.get(name, "0") for name in columns)
    (directory / FILE).parent.mkdir()
    (directory / FILE).write_bytes(gzip.compress(f"{','.join(columns)}\n{row}\n".encode()))
