"""Scores of forecasts on rolling origins with confidence intervals.

The mean absolute scaled error (MASE, Hyndman and Koehler 2006) is the error in multiples of the
error of the seasonal naive forecast in the training values. Neighbouring origins have nearly the
same errors, so the bootstrap draws blocks of time, not origins.
"""

from dataclasses import dataclass

import numpy as np

from models.forecasting.grid import Floats, Indices

LEVEL = 0.95
RESAMPLES = 1_000
_SEED = 11


@dataclass(frozen=True, slots=True)
class ScoreInterval:
    """A score with its confidence interval at LEVEL."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The MASE of forecasts and of the seasonal naive forecast on the same origins.

    difference: the naive error less the model's; above 0 where the model is better.
    """

    model: ScoreInterval
    naive: ScoreInterval
    difference: ScoreInterval

    @property
    def is_better(self) -> bool:
        """Whether the model is better by more than chance explains."""
        return self.difference.low > 0

    @property
    def is_worse(self) -> bool:
        """Whether the model is worse by more than chance explains."""
        return self.difference.high < 0


def compare(model: Floats, naive: Floats, blocks: Indices) -> Comparison:
    """Compare scaled absolute errors, [origins, horizon] each.

    blocks: the block of time and machine of each origin, [origins].
    """
    by_origin = np.stack([model.mean(axis=1), naive.mean(axis=1)], axis=1)
    by_origin = np.concatenate([by_origin, by_origin[:, 1:] - by_origin[:, :1]], axis=1)
    samples = _resampled_means(by_origin, blocks)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=0)
    return Comparison(
        *(
            ScoreInterval(float(value), float(low[position]), float(high[position]))
            for position, value in enumerate(by_origin.mean(axis=0))
        )
    )


def _resampled_means(values: Floats, blocks: Indices) -> Floats:
    """Return the means of resampled blocks, [resamples, columns]."""
    _, block = np.unique(blocks, return_inverse=True)
    count = int(block.max()) + 1
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, block, values)
    sizes = np.bincount(block).astype(np.float64)
    draws = np.random.default_rng(_SEED).integers(0, count, (RESAMPLES, count))
    return np.asarray(sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)[:, np.newaxis])
