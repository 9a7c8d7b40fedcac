"""Fit the network of remaining life (network.py) with scikit-learn."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from models.series.life.network import Layer, LifeNetwork, standardize
from models.series.series import Floats

_HIDDEN = (64, 32)
_SEEDS = (1, 2)
_BATCH = 256
_PASSES, _LEARNING_RATE = 20, 3e-3
# Fewer rows are trusted less.
_DECAY, _DECAY_OF_MANY_ROWS = 1.0, 0.3
_SMALLEST = 1e-9


def fit_network(raw: Floats, life: Floats, cap: float, *, is_large: bool) -> LifeNetwork:
    """Return networks fitted on features, [rows, features], NaN if missing, and capped lives."""
    present = np.isfinite(raw).any(axis=0)
    centre, spread = np.zeros(raw.shape[1]), np.ones(raw.shape[1])
    centre[present] = np.nanmean(raw[:, present], axis=0)
    spread[present] = np.maximum(np.nanstd(raw[:, present], axis=0), _SMALLEST)
    scaled = standardize(raw, centre, spread).astype(np.float32)
    members = tuple(_fit_member(scaled, life / cap, seed, is_large) for seed in _SEEDS)
    return LifeNetwork(tuple(centre.tolist()), tuple(spread.tolist()), members, cap)


def _fit_member(
    scaled: NDArray[np.float32], target: Floats, seed: int, is_large: bool
) -> tuple[Layer, ...]:
    """Return the layers of one network."""
    network = MLPRegressor(
        hidden_layer_sizes=_HIDDEN,
        alpha=_DECAY_OF_MANY_ROWS if is_large else _DECAY,
        batch_size=min(_BATCH, len(target)),
        learning_rate_init=_LEARNING_RATE,
        max_iter=_PASSES,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # The number of passes is chosen, not a limit that was hit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(scaled, target)
    return tuple(
        Layer(weights.astype(np.float32).tobytes(), biases.astype(np.float32).tobytes())
        for weights, biases in zip(network.coefs_, network.intercepts_, strict=True)
    )
