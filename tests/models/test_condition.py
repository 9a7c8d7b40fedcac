"""Condition monitoring: features, training and data files, on a simulated rig."""

from pathlib import Path

import numpy as np
import pytest

from models.condition.data import (
    CONDITIONS_FILE,
    FOLDER,
    SECONDS,
    SENSORS,
    SERIES_FILES,
    TARGETS,
    Dataset,
    load,
)
from models.condition.features import NAMES, PHASE_SECONDS, Scaling, compute_features
from models.condition.levels import FitMoments, fit
from models.condition.train import (
    PENALTIES,
    TrainedModel,
    choose_penalty,
    fit_and_calibrate,
    predict_probabilities,
    predict_with_graph,
    split_into_blocks,
)
from models.training_data import DIRECTORY_VARIABLE, TrainingDataMissing
from tests.support.models.made_up_cycles import TELLS, dataset
from tests.support.nightly import nightly

STRENGTH = (0.001,) * len(TARGETS)


@pytest.fixture(scope="module")
def rig() -> Dataset:
    return dataset(seed=1)


@pytest.fixture(scope="module")
def trained(rig: Dataset) -> TrainedModel:
    return fit_and_calibrate(rig.readings, rig.labels)


class TestConditionFeatures:
    def test_features_match_their_names(self) -> None:
        readings = np.random.default_rng(1).normal(size=(2, len(SENSORS), SECONDS)).astype("f4")
        row = dict(zip(NAMES, compute_features(readings)[1, 3], strict=True))
        phase = readings[1, 3, 2 * PHASE_SECONDS : 3 * PHASE_SECONDS].astype(float)
        assert row["mean_2"] == pytest.approx(phase.mean())
        assert row["slope_2"] == pytest.approx(np.polyfit(np.arange(PHASE_SECONDS), phase, 1)[0])
        assert row["spread_2"] == pytest.approx(phase.std())
        assert row["lowest"] == readings[1, 3].min()
        assert row["highest"] == readings[1, 3].max()

    def test_constant_sensor_has_finite_features(self) -> None:
        features = compute_features(np.full((5, len(SENSORS), SECONDS), 9.17, dtype=np.float32))
        assert np.isfinite(Scaling.fit(features).transform(features)).all()


class TestBlockSplit:
    def test_blocks_are_consecutive_and_cover_all_cycles(self, rig: Dataset) -> None:
        parts = split_into_blocks(rig.labels, 10)
        assert np.concatenate(parts).tolist() == list(range(len(rig)))
        assert min(map(len, parts)) > len(rig) / 20

    def test_blocks_are_cut_only_where_labels_change(self, rig: Dataset) -> None:
        for before, after in zip(
            *[split_into_blocks(rig.labels, 10)[at:] for at in (0, 1)], strict=False
        ):
            assert np.any(rig.labels[before[-1]] != rig.labels[after[0]])


class TestConditionLevels:
    def test_levels_approximate_label_indices(self, rig: Dataset) -> None:
        features = compute_features(rig.readings)
        levels = fit(FitMoments.compute(features, rig.labels), STRENGTH).levels(features)
        assert np.abs(levels - rig.labels).mean() < 0.15

    def test_healthy_component_has_zero_mean_contributions(self, rig: Dataset) -> None:
        features = compute_features(rig.readings)
        said = fit(FitMoments.compute(features, rig.labels), STRENGTH).contributions(features)
        for at, target in enumerate(TARGETS):
            sound = said[rig.labels[:, at] == target.healthy, :, at]
            assert sound.mean(axis=0) == pytest.approx(np.zeros(len(SENSORS)), abs=1e-9)

    def test_penalty_prevents_cancelling_contributions_of_correlated_sensors(self) -> None:
        """Two sensors are almost identical. Without a penalty, their small difference is amplified
        and their contributions cancel each other."""
        generator = np.random.default_rng(2)
        places = np.tile(generator.permutation(np.repeat(np.arange(3), 100))[:, np.newaxis], 4)
        hair = generator.normal(size=300) * 1e-3
        twins = generator.normal(size=300) + places[:, 0]
        features = generator.normal(size=(300, len(SENSORS), 1)) * 0.1
        features[:, 0, 0], features[:, 1, 0] = twins, twins - hair + 1e-3 * places[:, 0]
        ratios = []
        for strength in (0.0, 0.01):
            model = fit(FitMoments.compute(features, places), (strength,) * len(TARGETS))
            said = model.contributions(features)[:, :2, 0]
            ratios.append(np.median(np.abs(said).sum(axis=1) / np.abs(said.sum(axis=1))))
        assert ratios[0] > 10 * ratios[1]
        assert ratios[1] < 1.5


class TestPenaltyChoice:
    def test_chosen_penalty_maximises_likelihood(self) -> None:
        generator = np.random.default_rng(3)
        truth = generator.integers(0, 3, size=400)
        scores = [
            (truth[:, np.newaxis] + generator.normal(size=(400, 1)) * noise) * np.arange(3)
            - np.arange(3) ** 2 / 2
            for noise in (1.2, 0.4, 0.8, 1.0)
        ]
        strength, calibration = choose_penalty(scores, truth)
        assert strength == PENALTIES[1]
        assert calibration.slope == pytest.approx(1 / 0.4**2, rel=0.25)
        assert not calibration.shifts.any()


class TestConditionGraph:
    @nightly
    def test_graph_predictions_equal_model_predictions(self, trained: TrainedModel) -> None:
        other = dataset(seed=2, repeats=1)
        predictions = predict_with_graph(trained.model.SerializeToString(), other.readings)
        for at, target in enumerate(TARGETS):
            expected = predict_probabilities(trained, other.readings, at)
            prediction = predictions[target.name]
            assert prediction.probability == pytest.approx(expected.max(axis=1), abs=1e-3)
            probabilities = np.array(target.conditions)[expected.argmax(axis=1)]
            assert prediction.condition.tolist() == probabilities.tolist()

    def test_graph_is_accurate_on_unseen_rig(self, trained: TrainedModel) -> None:
        other = dataset(seed=3, repeats=2)
        predictions = predict_with_graph(trained.model.SerializeToString(), other.readings)
        for at, target in enumerate(TARGETS):
            truth = np.array(target.conditions)[other.labels[:, at]]
            assert np.mean(predictions[target.name].condition == truth) > 0.95

    def test_strongest_reason_is_the_decisive_sensor(self, trained: TrainedModel) -> None:
        other = dataset(seed=4, repeats=1)
        predictions = predict_with_graph(trained.model.SerializeToString(), other.readings)
        for at, target in enumerate(TARGETS):
            worst, prediction = other.labels[:, at] == 0, predictions[target.name]
            assert np.mean(prediction.reasons[worst, 0] == TELLS[target.name]) > 0.9
            assert np.mean(prediction.contributions[worst, 0] < -1) > 0.9


class TestConditionData:
    def test_missing_files_raise_training_data_missing(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingDataMissing, match=DIRECTORY_VARIABLE):
            load(tmp_path)

    def test_misread_thousands_separators_are_repaired(self, tmp_path: Path) -> None:
        write(
            tmp_path, CE=np.array([[47_202.0] * 59 + [47.2]] * 2), conditions="3 100 0 130 1\n" * 2
        )
        read = load(tmp_path)
        assert read.readings.shape == (2, len(SENSORS), SECONDS)
        cooling = read.readings[0, SENSORS.index("CE")]
        assert cooling == pytest.approx([47.202] * 59 + [47.2], rel=1e-5)
        assert read.labels[0].tolist() == [0, 3, 2, 3]

    @pytest.mark.parametrize(
        ("conditions", "words"),
        [
            ("3 100 0 130 1\n", "1 cycles, not 2"),
            ("3 100 0 130 1\n3 100 0 131 1\n", "unknown condition"),
            ("3 100 0\n3 100 0\n", "unknown condition"),
        ],
    )
    def test_invalid_conditions_file_is_rejected(
        self, tmp_path: Path, conditions: str, words: str
    ) -> None:
        write(tmp_path, conditions=conditions)
        with pytest.raises(TrainingDataMissing, match=words):
            load(tmp_path)

    def test_invalid_series_file_is_rejected(self, tmp_path: Path) -> None:
        write(tmp_path, conditions="")
        (tmp_path / FOLDER / SERIES_FILES[0]).write_bytes(b"rubbish")
        with pytest.raises(TrainingDataMissing, match="no arrays"):
            load(tmp_path)

    def test_missing_sensor_is_rejected_with_name(self, tmp_path: Path) -> None:
        write(tmp_path, conditions="")
        np.savez(tmp_path / FOLDER / SERIES_FILES[1], **{"VS1": np.ones((2, SECONDS))})
        with pytest.raises(TrainingDataMissing, match="CE"):
            load(tmp_path)


def write(directory: Path, *, conditions: str, **changed: np.ndarray) -> None:
    """Write files of two cycles in which every sensor except `changed` reads 1."""
    folder = directory / FOLDER
    folder.mkdir()
    series = {name: np.ones((2, SECONDS)) for name in SENSORS} | changed
    for file, names in zip(SERIES_FILES, (SENSORS[:6], SENSORS[6:]), strict=True):
        np.savez(folder / file, **{name: series[name] for name in names})
    (folder / CONDITIONS_FILE).write_text(conditions)
