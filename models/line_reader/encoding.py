"""Encode texts: a vector for each token, a weight for each token, and a vector for the whole text.

A question and the lines of passages are encoded apart, so that a line is encoded once for all
questions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.line_reader.encoder_file import EncoderFile, Floats
from models.line_reader.layers import Layer, normalize, read_layer
from models.line_reader.tokenizer import TextTokenizer, build_tokenizer

MAX_QUESTION_TOKENS, MAX_LINE_TOKENS = 36, 64
_BATCH = 16
_WEIGHT_OFFSET = 0.5


@dataclass(frozen=True, slots=True)
class EncodedText:
    """A text: unit vectors of its tokens [tokens, width], their weights, and its own unit vector.

    The first token stands for the beginning, the last for the end. Half precision: 11 kB for a
    line of 35 tokens.
    """

    tokens: NDArray[np.float16]
    weights: NDArray[np.float16]
    vector: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class StateEncoder:
    """The lower layers of the encoder, or all of them."""

    file: EncoderFile
    tokenizer: TextTokenizer
    layers: Sequence[Layer]

    def states(self, texts: Sequence[str], limit: int) -> list[Floats]:
        """Return the states of each text [tokens, hidden], of at most `limit` tokens.

        Texts of similar length are read together: about 30 ms for a line of 35 tokens.
        """
        ids = self.tokenizer.encode(texts, limit)
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        found: dict[int, Floats] = {}
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            states = self._read([ids[index] for index in batch])
            found |= {index: states[row, : len(ids[index])] for row, index in enumerate(batch)}
        return [found[index] for index in range(len(texts))]

    def _read(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Return the states of texts, padded to the longest of them."""
        lengths = np.array([len(one) for one in ids])
        padded = np.zeros((len(ids), int(lengths.max())), np.int64)
        for row, one in enumerate(ids):
            padded[row, : len(one)] = one
        present = np.arange(padded.shape[1]) < lengths[:, None]
        states = self._embed(padded)
        for layer in self.layers:
            states = layer.forward(states, present[:, None, None, :])
        return states

    def _embed(self, ids: NDArray[np.int64]) -> Floats:
        """Return the states before the first layer, [texts, tokens, hidden]."""
        hidden, file = self.file.sizes.hidden, self.file
        words = file.rows("emb.word", hidden, ids.reshape(-1)).reshape(*ids.shape, hidden)
        positions = file.floats("emb.pos").reshape(-1, hidden)[: ids.shape[1]]
        summed = words + positions + file.floats("emb.type")[:hidden]
        factors, offsets = file.floats("emb.ln.w"), file.floats("emb.ln.b")
        return normalize(summed, factors, offsets, file.sizes.epsilon)


@dataclass(frozen=True, slots=True)
class TextEncoder:
    """The encoder with trained upper layers, and the heads that compare tokens."""

    base: StateEncoder
    heads: Mapping[str, Floats]

    def encode(self, texts: Sequence[str], limit: int) -> list[EncodedText]:
        """Encode texts, up to `limit` tokens each."""
        return [self._encode(states) for states in self.base.states(texts, limit)]

    def _encode(self, states: Floats) -> EncodedText:
        heads = self.heads
        tokens = _unit(states @ heads["project.weight"].T + heads["project.bias"])
        weights = states @ heads["weight.weight"][0] + heads["weight.bias"]
        return EncodedText(
            tokens.astype(np.float16),
            np.logaddexp(0.0, weights + _WEIGHT_OFFSET).astype(np.float16),
            _unit(states.sum(axis=0)).astype(np.float16),
        )


def load_state_encoder(file: EncoderFile, lower: int, upper: Sequence[Layer] = ()) -> StateEncoder:
    """Load the lowest layers, to be followed by other `upper` ones: 85 MB for twelve in all."""
    layers = (*(read_layer(file, index) for index in range(lower)), *upper)
    return StateEncoder(file, build_tokenizer(file), layers)


def load_text_encoder(
    file: EncoderFile, upper: Sequence[Layer], heads: Mapping[str, Floats]
) -> TextEncoder:
    """Load the encoder with `upper` in place of its highest layers."""
    lower = file.sizes.layers - len(upper)
    return TextEncoder(load_state_encoder(file, lower, upper), heads)


def _unit(vectors: Floats) -> Floats:
    """Return vectors of length 1."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units: Floats = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return units
