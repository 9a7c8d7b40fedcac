"""A small neural network of remaining life, whose prediction is averaged with that of the trees.

Trees predict in steps and the network smoothly, so their errors differ: measured in
`docs/decisions/0113-life-from-the-whole-history.md`.
"""

import msgspec
import numpy as np

from models.series.series import Floats

# In standard deviations: beyond what training has seen, a network continues its last slope.
_MOST = 8.0


class Layer(msgspec.Struct, frozen=True):
    """A layer: `weights`, [inputs, outputs], and `biases`, [outputs], in single precision."""

    weights: bytes
    biases: bytes

    def apply(self, values: Floats) -> Floats:
        """Return the weighted sums of values, [rows, inputs].

        In double precision, so that a row's result does not depend on the others of its call.
        """
        biases = np.frombuffer(self.biases, np.float32).astype(np.float64)
        weights = np.frombuffer(self.weights, np.float32).reshape(-1, len(biases))
        return np.asarray(values @ weights.astype(np.float64) + biases)


class LifeNetwork(msgspec.Struct, frozen=True):
    """Networks with rectified hidden layers, whose mean is the prediction.

    centre, spread: of each feature in training. members: the layers of each network. cap: the life
    that a network gives as 1.
    """

    centre: tuple[float, ...]
    spread: tuple[float, ...]
    members: tuple[tuple[Layer, ...], ...]
    cap: float

    def predict(self, raw: Floats) -> Floats:
        """Return lives from 0 to the cap, [rows], of features, [rows, features], NaN if missing."""
        scaled = standardize(raw, np.array(self.centre), np.array(self.spread))
        lives = [self._apply(layers, scaled) for layers in self.members]
        return np.asarray(np.mean(lives, axis=0))

    def _apply(self, layers: tuple[Layer, ...], values: Floats) -> Floats:
        """Return the lives that one network gives, [rows]."""
        for layer in layers[:-1]:
            values = np.maximum(layer.apply(values), 0.0)
        return np.clip(layers[-1].apply(values)[:, 0], 0.0, 1.0) * self.cap


def standardize(raw: Floats, centre: Floats, spread: Floats) -> Floats:
    """Return features in standard deviations, 0 where they are missing."""
    scaled = np.nan_to_num((raw - centre) / spread, nan=0.0)
    return np.asarray(np.clip(scaled, -_MOST, _MOST))
