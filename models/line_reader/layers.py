"""The layers of the encoder in NumPy: small enough that a question is read in milliseconds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.line_reader.encoder_file import EncoderFile, Floats, Sizes

MATRICES = ("q", "k", "v", "ao", "fi", "fo")
NORMS = ("aln", "oln")
# Not minus infinity: a row without any allowed token must stay finite.
_FORBIDDEN = -1e9
_GELU, _CUBIC = np.float32(np.sqrt(2.0 / np.pi)), np.float32(0.044715)

Allowed = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: attention and an inner layer, each followed by a normalization.

    `weights` has a matrix [inputs, outputs] as `q.w` and its bias as `q.b`, for q, k, v, ao, fi and
    fo, and the factors and offsets of the normalizations aln and oln.
    """

    weights: Mapping[str, Floats]
    sizes: Sizes

    def forward(self, states: Floats, allowed: Allowed) -> Floats:
        """Return new states [texts, tokens, hidden].

        `allowed` [texts, 1, tokens or 1, tokens] tells which token may attend to which.
        """
        attended = self._dense("ao", self._attend(states, allowed))
        states = self._normalize("aln", states + attended)
        inner = _gelu(self._dense("fi", states))
        return self._normalize("oln", states + self._dense("fo", inner))

    def _attend(self, states: Floats, allowed: Allowed) -> Floats:
        texts, tokens, hidden = states.shape
        width = hidden // self.sizes.heads
        query, key, value = (
            self._dense(name, states)
            .reshape(texts, tokens, self.sizes.heads, width)
            .transpose(0, 2, 1, 3)
            for name in ("q", "k", "v")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(width))
        scores = np.where(allowed, scores, np.float32(_FORBIDDEN))
        scores -= scores.max(axis=-1, keepdims=True)
        shares = np.exp(scores)
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed: Floats = (shares @ value).transpose(0, 2, 1, 3).reshape(texts, tokens, hidden)
        return mixed

    def _dense(self, name: str, states: Floats) -> Floats:
        result: Floats = states @ self.weights[f"{name}.w"] + self.weights[f"{name}.b"]
        return result

    def _normalize(self, name: str, states: Floats) -> Floats:
        return normalize(
            states, self.weights[f"{name}.w"], self.weights[f"{name}.b"], self.sizes.epsilon
        )


def normalize(states: Floats, factors: Floats, offsets: Floats, epsilon: float) -> Floats:
    """Return states with mean 0 and variance 1 of each token, scaled and shifted."""
    centred = states - states.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    spread: Floats = np.sqrt(variance + np.float32(epsilon)).astype(np.float32, copy=False)
    result: Floats = centred / spread * factors + offsets
    return result


def read_layer(file: EncoderFile, index: int) -> Layer:
    """Return a layer of the packaged encoder."""
    weights: dict[str, Floats] = {}
    for name in MATRICES:
        inputs = file.sizes.inner if name == "fo" else file.sizes.hidden
        weights[f"{name}.w"] = np.ascontiguousarray(file.matrix(f"l{index}.{name}.w", inputs).T)
        weights[f"{name}.b"] = file.floats(f"l{index}.{name}.b")
    for name in NORMS:
        weights[f"{name}.w"] = file.floats(f"l{index}.{name}.w")
        weights[f"{name}.b"] = file.floats(f"l{index}.{name}.b")
    return Layer(weights, file.sizes)


def _gelu(values: Floats) -> Floats:
    """Return the GELU activation, approximated by a hyperbolic tangent."""
    cubed = _CUBIC * values * values * values
    halved = np.float32(0.5) * values
    result: Floats = (halved * (1 + np.tanh(_GELU * (values + cubed)))).astype(
        np.float32, copy=False
    )
    return result
