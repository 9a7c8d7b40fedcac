"""Remaining useful life: features, intervals, the committed artefact and recorded metrics."""

import gzip
import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from models.onnx_graph import METADATA_KEY
from models.onnx_session import open_session
from models.rul.data import (
    CAP,
    FOLDER,
    SENSORS,
    Dataset,
    Engine,
    Floats,
    load,
)
from models.rul.evaluate import METRICS, nasa_score, predict_last_cycles
from models.rul.features import (
    MIN_CYCLES,
    NAMES,
    ROUNDING_STEPS,
    Scaling,
    compute_features,
    last_cycle_rows,
    training_rows,
)
from models.rul.intervals import BIN_EDGES, CONFIDENCE, IntervalWidths, calibrate_widths
from models.rul.train import ARTEFACT, predict_with_graph
from models.training_data import DIRECTORY_VARIABLE, TrainingDataMissing, default_directory
from tests.support.models.made_up_engines import engine

TOLERANCE = 0.02

SCALING = Scaling.fit([engine(seed, 150) for seed in range(8)])
STEP = 1 / float(ROUNDING_STEPS)


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    return open_session(ARTEFACT.read_bytes())


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    try:
        return load(default_directory())
    except TrainingDataMissing as missing:
        pytest.skip(str(missing))


class TestRemainingLifeFeatures:
    def test_features_match_their_names(self) -> None:
        one = engine(1, 60)
        row = dict(zip(NAMES, compute_features(one.readings, SCALING)[-1], strict=True))
        t50 = ((one.readings - SCALING.centre) / SCALING.spread)[:, list(SENSORS).index("T50")]
        assert row["cycles"] == 60
        assert row["T50_mean_5"] == pytest.approx(t50[-5:].mean(), abs=STEP)
        assert row["T50_mean_40"] == pytest.approx(t50[-40:].mean(), abs=STEP)
        assert row["T50_drift"] == pytest.approx(t50[-10:].mean() - t50.mean(), abs=STEP)
        slope = np.polyfit(np.arange(20), t50[-20:], 1)[0]
        assert row["T50_rise_20"] == pytest.approx(slope * 20, abs=STEP)

    def test_features_depend_on_past_cycles_only(self) -> None:
        readings = engine(2, 90).readings
        for end in (MIN_CYCLES, MIN_CYCLES + 1, 39, 40, 41, 70):
            told = compute_features(readings[:end], SCALING)[-1]
            assert told == pytest.approx(
                compute_features(readings, SCALING)[end - MIN_CYCLES], abs=STEP
            )

    def test_constant_sensor_has_finite_features(self) -> None:
        readings = engine(2, 40).readings.copy()
        readings[:, 3] = 21.61
        scaling = Scaling.fit([Engine(readings, 0)])
        assert np.isfinite(compute_features(readings, scaling)).all()

    def test_training_target_is_capped(self) -> None:
        features, truth = training_rows((engine(3, 200),), SCALING)
        assert features.shape == (200 - MIN_CYCLES + 1, len(NAMES))
        assert (truth[0], truth[-1]) == (CAP, 0)
        assert last_cycle_rows((engine(3, 200, stopped=30),), SCALING)[1].tolist() == [30]


class TestRemainingLifeIntervals:
    def test_interval_coverage_equals_confidence(self) -> None:
        """For unseen machines of a fleet whose machines differ."""
        generator = np.random.default_rng(5)
        held = []
        for _ in range(40):
            errors = generator.normal(size=(60, 1)) * 8 + generator.normal(size=(60, 50)) * 4
            truth = generator.uniform(20, 100, size=(60, 50)).astype(np.float32)
            said = (truth + errors).astype(np.float32)
            widths = calibrate_widths(list(said[:40]), list(truth[:40]))
            held.append(np.mean(np.abs(said[40:] - truth[40:]) <= widths.half_width(said[40:])))
        assert np.mean(held) == pytest.approx(CONFIDENCE, abs=0.025)

    def test_interval_width_depends_on_prediction(self) -> None:
        widths = IntervalWidths(tuple(float(number) for number in range(1, len(BIN_EDGES) + 2)))
        said = np.array([0, BIN_EDGES[0], BIN_EDGES[-1], CAP], dtype=np.float32)
        assert widths.half_width(said).tolist() == [1, 2, len(BIN_EDGES) + 1, len(BIN_EDGES) + 1]
        lower, upper = widths.bounds(said)
        assert (lower[0], upper[0], upper[-1]) == (0, 1, CAP)

    def test_interval_width_of_few_machines_is_largest_error(self) -> None:
        said = [np.array([10.0], dtype=np.float32)] * 3
        truth = [np.array([value], dtype=np.float32) for value in (9, 4, 12)]
        assert calibrate_widths(said, truth).half_widths[0] == 6


def test_nasa_score_penalises_late_more_than_early_predictions() -> None:
    truth = np.array([50.0], dtype=np.float32)
    assert nasa_score(truth + 20, truth) > nasa_score(truth - 20, truth) > 0
    assert nasa_score(truth, truth) == 0


class TestRemainingLifeArtefact:
    def test_signature_matches_graph_inputs_and_outputs(
        self, session: ort.InferenceSession
    ) -> None:
        document = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
        assert [field["name"] for field in document["inputs"]] == list(SENSORS)
        assert [node.name for node in session.get_inputs()] == list(SENSORS)
        assert [field["name"] for field in document["outputs"]] == [
            node.name for node in session.get_outputs()
        ]
        for field in document["inputs"]:
            assert field["minimum"] < field["trained"][0] <= field["trained"][1] < field["maximum"]

    def test_batch_results_equal_single_machine_results(
        self, session: ort.InferenceSession
    ) -> None:
        fleet = [engine(seed, 120) for seed in range(3)]
        together = predict_with_graph(session, np.stack([one.readings for one in fleet]))
        alone = [predict_with_graph(session, one.readings[np.newaxis]) for one in fleet]
        for part, singles in zip(together, zip(*alone, strict=True), strict=True):
            assert part == pytest.approx(np.concatenate(singles), abs=1e-4)

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    def test_non_finite_reading_gives_no_prediction(
        self, session: ort.InferenceSession, wrong: float
    ) -> None:
        readings = engine(4, 50).readings.copy()
        readings[30, 2] = wrong
        assert [
            bool(np.isnan(part[0])) for part in predict_with_graph(session, readings[np.newaxis])
        ] == [True] * 3

    def test_constant_sensor_and_shortest_history_give_prediction(
        self, session: ort.InferenceSession
    ) -> None:
        readings = engine(6, MIN_CYCLES).readings.copy()
        readings[:, 1] = readings[0, 1]
        remaining, lower, upper = predict_with_graph(session, readings[np.newaxis])
        assert 0 <= lower[0] <= remaining[0] <= upper[0] <= CAP


class TestRecordedMetrics:
    def test_committed_artefact_matches_recorded_metrics(self, dataset: Dataset) -> None:
        recorded = json.loads(METRICS.read_text(encoding="utf-8"))["artefact"]
        said, lower, upper = predict_last_cycles(ARTEFACT.read_bytes(), dataset.test)
        truth = np.array([one.remaining[-1] for one in dataset.test])
        assert _rmse(said, truth) == pytest.approx(recorded["rmse"], abs=TOLERANCE)
        covered = np.mean((lower <= truth) & (truth <= upper))
        assert covered == pytest.approx(recorded["covered"], abs=0.011)

    def test_recorded_metrics_meet_targets(self) -> None:
        recorded = json.loads(METRICS.read_text(encoding="utf-8"))
        assert recorded["single_seeds"]["mean"] <= 12.0
        assert 0.88 <= recorded["interval_of_unseen_machines"]["covered"] <= 0.92
        assert recorded["artefact"]["bytes"] == ARTEFACT.stat().st_size

    def test_prediction_falls_towards_failure(
        self, dataset: Dataset, session: ort.InferenceSession
    ) -> None:
        """For an engine that ran to failure."""
        one = dataset.training[0]
        early = predict_with_graph(session, one.readings[np.newaxis, :50])[0][0]
        late = predict_with_graph(session, one.readings[np.newaxis])[0][0]
        assert early > 100
        assert late < 10

    def test_data_set_is_complete(self, dataset: Dataset) -> None:
        assert (len(dataset.training), len(dataset.test)) == (100, 100)
        assert sum(len(one.readings) for one in dataset.training) == 20_631
        assert {one.final_remaining for one in dataset.training} == {0}


class TestRemainingLifeFiles:
    def test_missing_files_raise_training_data_missing(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingDataMissing, match="--data"):
            load(tmp_path)
        assert default_directory({DIRECTORY_VARIABLE: "/somewhere"}) == Path("/somewhere")

    def test_wrong_column_count_is_rejected(self, tmp_path: Path) -> None:
        _write(tmp_path, "1 2 3\n", "112\n")
        with pytest.raises(TrainingDataMissing, match="26 columns"):
            load(tmp_path)

    def test_truth_for_other_engine_count_is_rejected(self, tmp_path: Path) -> None:
        line = " ".join(["1"] * 26) + "\n"
        _write(tmp_path, line * 3, "112\n98\n")
        with pytest.raises(TrainingDataMissing, match="is for 2 engines, not 1"):
            load(tmp_path)


def _write(folder: Path, table: str, truth: str) -> None:
    (folder / FOLDER).mkdir()
    for name in ("train", "test"):
        packed = gzip.compress(table.encode())
        (folder / FOLDER / f"{name}_FD001.txt.gz").write_bytes(packed)
    (folder / FOLDER / "RUL_FD001.txt").write_text(truth)


def _rmse(said: Floats, truth: Floats) -> float:
    return float(np.sqrt(np.mean((said - truth) ** 2)))
