"""The remaining life: its features, its interval, and its artefact as committed.

Owns what the artefact promises: signature, answers that fall as a machine ends, recorded figures.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from models.onnx_graph import METADATA_KEY, open_session
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


class TestFeatures:
    def test_are_what_their_names_say(self) -> None:
        one = engine(1, 60)
        row = dict(zip(NAMES, compute_features(one.readings, SCALING)[-1], strict=True))
        t50 = ((one.readings - SCALING.centre) / SCALING.spread)[:, list(SENSORS).index("T50")]
        assert row["cycles"] == 60
        assert row["T50_mean_5"] == pytest.approx(t50[-5:].mean(), abs=STEP)
        assert row["T50_mean_40"] == pytest.approx(t50[-40:].mean(), abs=STEP)
        assert row["T50_drift"] == pytest.approx(t50[-10:].mean() - t50.mean(), abs=STEP)
        slope = np.polyfit(np.arange(20), t50[-20:], 1)[0]
        assert row["T50_rise_20"] == pytest.approx(slope * 20, abs=STEP)

    def test_know_nothing_of_what_follows(self) -> None:
        readings = engine(2, 90).readings
        for end in (MIN_CYCLES, MIN_CYCLES + 1, 39, 40, 41, 70):
            told = compute_features(readings[:end], SCALING)[-1]
            assert told == pytest.approx(
                compute_features(readings, SCALING)[end - MIN_CYCLES], abs=STEP
            )

    def test_a_sensor_that_never_moves(self) -> None:
        readings = engine(2, 40).readings.copy()
        readings[:, 3] = 21.61
        scaling = Scaling.fit([Engine(readings, 0)])
        assert np.isfinite(compute_features(readings, scaling)).all()

    def test_the_truth_is_capped(self) -> None:
        features, truth = training_rows((engine(3, 200),), SCALING)
        assert features.shape == (200 - MIN_CYCLES + 1, len(NAMES))
        assert (truth[0], truth[-1]) == (CAP, 0)
        assert last_cycle_rows((engine(3, 200, stopped=30),), SCALING)[1].tolist() == [30]


class TestIntervals:
    def test_hold_as_often_as_they_say(self) -> None:
        """Machines that differ among themselves, of which one more comes."""
        generator = np.random.default_rng(5)
        held = []
        for _ in range(40):
            errors = generator.normal(size=(60, 1)) * 8 + generator.normal(size=(60, 50)) * 4
            truth = generator.uniform(20, 100, size=(60, 50)).astype(np.float32)
            said = (truth + errors).astype(np.float32)
            widths = calibrate_widths(list(said[:40]), list(truth[:40]))
            held.append(np.mean(np.abs(said[40:] - truth[40:]) <= widths.half_width(said[40:])))
        assert np.mean(held) == pytest.approx(CONFIDENCE, abs=0.025)

    def test_the_width_is_that_of_what_was_said(self) -> None:
        widths = IntervalWidths(tuple(float(number) for number in range(1, len(BIN_EDGES) + 2)))
        said = np.array([0, BIN_EDGES[0], BIN_EDGES[-1], CAP], dtype=np.float32)
        assert widths.half_width(said).tolist() == [1, 2, len(BIN_EDGES) + 1, len(BIN_EDGES) + 1]
        lower, upper = widths.bounds(said)
        assert (lower[0], upper[0], upper[-1]) == (0, 1, CAP)

    def test_with_too_few_machines_it_is_the_worst_seen(self) -> None:
        said = [np.array([10.0], dtype=np.float32)] * 3
        truth = [np.array([value], dtype=np.float32) for value in (9, 4, 12)]
        assert calibrate_widths(said, truth).half_widths[0] == 6


def test_being_late_is_worse_than_being_early() -> None:
    truth = np.array([50.0], dtype=np.float32)
    assert nasa_score(truth + 20, truth) > nasa_score(truth - 20, truth) > 0
    assert nasa_score(truth, truth) == 0


class TestArtefact:
    def test_signs_what_it_takes_and_gives(self, session: ort.InferenceSession) -> None:
        document = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
        assert [field["name"] for field in document["inputs"]] == list(SENSORS)
        assert [node.name for node in session.get_inputs()] == list(SENSORS)
        assert [field["name"] for field in document["outputs"]] == [
            node.name for node in session.get_outputs()
        ]
        for field in document["inputs"]:
            assert field["minimum"] < field["trained"][0] <= field["trained"][1] < field["maximum"]

    def test_several_machines_at_once_are_each_alone(self, session: ort.InferenceSession) -> None:
        fleet = [engine(seed, 120) for seed in range(3)]
        together = predict_with_graph(session, np.stack([one.readings for one in fleet]))
        alone = [predict_with_graph(session, one.readings[np.newaxis]) for one in fleet]
        for part, singles in zip(together, zip(*alone, strict=True), strict=True):
            assert part == pytest.approx(np.concatenate(singles), abs=1e-4)

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    def test_what_is_no_number_gives_none(
        self, session: ort.InferenceSession, wrong: float
    ) -> None:
        readings = engine(4, 50).readings.copy()
        readings[30, 2] = wrong
        assert [
            bool(np.isnan(part[0])) for part in predict_with_graph(session, readings[np.newaxis])
        ] == [True] * 3

    def test_a_constant_sensor_and_the_shortest_history_are_answered(
        self, session: ort.InferenceSession
    ) -> None:
        readings = engine(6, MIN_CYCLES).readings.copy()
        readings[:, 1] = readings[0, 1]
        remaining, lower, upper = predict_with_graph(session, readings[np.newaxis])
        assert 0 <= lower[0] <= remaining[0] <= upper[0] <= CAP


class TestData:
    def test_the_artefact_is_as_exact_as_recorded(self, dataset: Dataset) -> None:
        recorded = json.loads(METRICS.read_text(encoding="utf-8"))["artefact"]
        said, lower, upper = predict_last_cycles(ARTEFACT.read_bytes(), dataset.test)
        truth = np.array([one.remaining[-1] for one in dataset.test])
        assert _rmse(said, truth) == pytest.approx(recorded["rmse"], abs=TOLERANCE)
        covered = np.mean((lower <= truth) & (truth <= upper))
        assert covered == pytest.approx(recorded["covered"], abs=0.011)

    def test_the_record_meets_what_was_asked(self) -> None:
        recorded = json.loads(METRICS.read_text(encoding="utf-8"))
        assert recorded["single_seeds"]["mean"] <= 12.0
        assert 0.88 <= recorded["interval_of_unseen_machines"]["covered"] <= 0.92
        assert recorded["artefact"]["bytes"] == ARTEFACT.stat().st_size

    def test_its_end_is_seen_coming(self, dataset: Dataset, session: ort.InferenceSession) -> None:
        """Of machines that ran to their failure: sound at first, and nothing left in the end."""
        one = dataset.training[0]
        early = predict_with_graph(session, one.readings[np.newaxis, :50])[0][0]
        late = predict_with_graph(session, one.readings[np.newaxis])[0][0]
        assert early > 100
        assert late < 10

    def test_is_whole(self, dataset: Dataset) -> None:
        assert (len(dataset.training), len(dataset.test)) == (100, 100)
        assert sum(len(one.readings) for one in dataset.training) == 20_631
        assert {one.final_remaining for one in dataset.training} == {0}


class TestFiles:
    def test_absent(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingDataMissing, match="--data"):
            load(tmp_path)
        assert default_directory({DIRECTORY_VARIABLE: "/somewhere"}) == Path("/somewhere")

    def test_of_another_kind(self, tmp_path: Path) -> None:
        _write(tmp_path, "1 2 3\n", "112\n")
        with pytest.raises(TrainingDataMissing, match="26 columns"):
            load(tmp_path)

    def test_truth_for_other_engines(self, tmp_path: Path) -> None:
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
