"""Evaluation of models of series: files of engines and bearings, trainings on made-up ones."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from models.series.evaluate import call_classes, train_classes
from models.series.evaluate_lives import evaluate_lives
from models.series.public_sets import (
    ENGINE_COLUMNS,
    read_bearings,
    read_test_engines,
    read_training_engines,
)
from models.training_data import TrainingDataMissing
from tests.support.nightly import nightly

LIVES = (40, 12, 3, 25)


def history(number: int, length: int, left: int = 0) -> np.ndarray:
    """Engine, cycle, settings, and sensors of which the second rises and the third falls."""
    generator = np.random.default_rng(number)
    wear = np.exp(-(np.arange(length)[::-1] + left) / 15)
    table = np.full((length, 2 + len(ENGINE_COLUMNS)), 100.0)
    table[:, 0], table[:, 1] = number, np.arange(1, length + 1)
    table[:, 6] = 640 + 5 * wear + generator.normal(0, 0.3, length)
    table[:, 7] = 1590 - 9 * wear + generator.normal(0, 0.6, length)
    return table


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A folder with the files of a small fleet."""
    folder = tmp_path / "cmapss"
    folder.mkdir()
    training = [history(number, 150 + 5 * number) for number in range(1, 7)]
    running = [history(20 + at, 160 - left, left) for at, left in enumerate(LIVES)]
    for name, histories in (("train", training), ("test", running)):
        with gzip.open(folder / f"{name}_FD001.txt.gz", "wb") as file:
            np.savetxt(file, np.concatenate(histories), fmt="%.4f")
    (folder / "RUL_FD001.txt").write_text("".join(f"{left}\n" for left in LIVES))
    return tmp_path


class TestEngines:
    def test_histories_have_all_columns_of_the_file(self, fleet: Path) -> None:
        engines, test = read_training_engines(fleet, "FD001"), read_test_engines(fleet, "FD001")
        assert [len(one) for one in engines.histories] == [155, 160, 165, 170, 175, 180]
        assert engines.histories[0].shape[1] == len(ENGINE_COLUMNS) == 24
        assert test.remaining == LIVES
        with pytest.raises(TrainingDataMissing, match="NASA C-MAPSS"):
            read_training_engines(fleet, "FD009")

    @nightly
    def test_lives_of_other_engines_are_predicted(self, fleet: Path) -> None:
        found = evaluate_lives(fleet, draws=1)
        assert found["draws"]["count"] == 1
        assert found["draws"]["rejected"] == 0
        assert found["all_engines"]["rmse"] < 20
        assert found["draws"]["coverage_range"][0] >= 0.5


class TestBearings:
    def test_recordings_are_scaled_and_named_by_fault_and_load(self, tmp_path: Path) -> None:
        folder = tmp_path / "cwru"
        folder.mkdir()
        arrays = {
            "OR007@6_1": np.array([2, -4], dtype=np.int16), "OR007@6_1__scale": np.array(0.5),
            "B021_0": np.array([1], dtype=np.int16), "B021_0__scale": np.array(3.0),
        }  # fmt: skip
        np.savez(folder / "part.npz", **arrays)  # type: ignore[arg-type]
        first, second = read_bearings(tmp_path)
        assert (first.fault, first.load, first.samples.tolist()) == ("B021", "0", [3.0])
        assert (second.fault, second.load, second.samples.tolist()) == ("OR007@6", "1", [1, -2])

    def test_missing_recordings_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingDataMissing, match="has no recordings"):
            read_bearings(tmp_path)


def test_classes_of_other_series_are_told_by_the_artefact() -> None:
    generator = np.random.default_rng(3)
    readings = generator.normal(0, 1, (48, 20, 2))
    classes = [("low", "high")[number % 2] for number in range(48)]
    readings[1::2, :, 1] += 2
    variant, figures = train_classes(list(readings[:40]), ("x", "y"), classes[:40], 20)
    assert call_classes(variant, ("x", "y"), readings[40:]).tolist() == classes[40:]
    assert not figures["rejected"]
    assert figures["processor_s"] > 0
