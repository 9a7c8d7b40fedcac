"""Reading the encoder's file and encoding texts with it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from models.line_reader.encoder_file import (
    EncoderFile,
    Floats,
    find_file,
    pack_blocks,
    read_encoder,
    unpack_blocks,
)
from models.line_reader.encoding import TextEncoder, load_text_encoder
from models.line_reader.layers import read_layer
from models.multilingual import EncoderMissing, load_encoder
from tests.models.line_reader.made_up_encoder import HIDDEN, LAYERS


@pytest.fixture
def encoder(encoder_file: EncoderFile, heads: Mapping[str, Floats]) -> TextEncoder:
    return load_text_encoder(encoder_file, [read_layer(encoder_file, LAYERS - 1)], heads)


def test_blocks_are_unpacked_to_the_weights_within_half_a_level() -> None:
    weights = np.random.default_rng(0).normal(0, 1, (64, 32)).astype(np.float32)
    levels = np.abs(weights).max(axis=1, keepdims=True) / 7
    assert np.all(np.abs(unpack_blocks(pack_blocks(weights)) - weights) <= levels * 0.51)


def test_zero_blocks_stay_zero() -> None:
    assert not unpack_blocks(pack_blocks(np.zeros((2, 32), np.float32))).any()


def test_rows_are_those_of_the_whole_matrix(encoder_file: EncoderFile) -> None:
    rows = encoder_file.rows("emb.word", HIDDEN, np.array([3, 0, 3]))
    assert np.array_equal(rows, encoder_file.matrix("emb.word", HIDDEN)[[3, 0, 3]])


def test_file_of_another_layout_is_missing(tmp_path: Path) -> None:
    (tmp_path / "other.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(EncoderMissing, match="unknown layout"):
        read_encoder(tmp_path / "other.bin")


def test_text_has_unit_vectors_for_its_tokens_and_as_a_whole(encoder: TextEncoder) -> None:
    (text,) = encoder.encode(["query: ab 12"], 36)
    assert len(text.tokens) == len(text.weights) == len("query: ab 12") + 3
    lengths = np.linalg.norm(text.tokens.astype(np.float32), axis=1)
    assert lengths == pytest.approx(np.ones(len(text.tokens)), abs=0.01)
    assert np.linalg.norm(text.vector.astype(np.float32)) == pytest.approx(1, abs=0.01)


def test_text_is_encoded_the_same_alone_and_among_longer_ones(encoder: TextEncoder) -> None:
    texts = ["oil 4", "the valve 泵 of line 12 is closed.", "a", *["x" * 30] * 20]
    together, alone = encoder.encode(texts, 64), [encoder.encode([one], 64)[0] for one in texts]
    for one, other in zip(together, alone, strict=True):
        assert np.allclose(one.tokens, other.tokens, atol=2e-3)
        assert np.allclose(one.vector, other.vector, atol=2e-3)


def test_long_text_is_cut_to_the_limit(encoder: TextEncoder) -> None:
    assert len(encoder.encode(["a " * 500], 64)[0].tokens) == 64


def test_vectors_of_the_package_are_those_of_its_layers(heads: Mapping[str, Floats]) -> None:
    file = read_encoder(find_file())
    projection = np.eye(8, file.sizes.hidden, dtype=np.float32)
    wide = {
        **heads,
        "project.weight": projection,
        "weight.weight": projection[:1],
    }
    encoder = load_text_encoder(file, (), wide)
    text = "How tight are the bolts of the 泵 P-12? ４５ ℃"
    own = encoder.encode([f"query: {text}"], 64)[0].vector.astype(np.float32)
    assert float(own @ load_encoder().vectors([text])[0]) > 0.999
