"""Confidence intervals from a bootstrap over clusters: machines, blocks of time, or rows.

Rows of one machine are not independent, and five machines say less than their thousand rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.observed.metrics import Floats, Indices, Metric

LEVEL = 0.95
RESAMPLES = 400
_SEED = 11


@dataclass(frozen=True, slots=True)
class ScoreInterval:
    """A score with its confidence interval at LEVEL."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Contest:
    """The scores of several predictors on the same rows, and how the first one differs from each.

    differences: positive where the first is better, whichever way the metric points; 0 for itself.
    """

    scores: tuple[ScoreInterval, ...]
    differences: tuple[ScoreInterval, ...]


@np.errstate(over="ignore", invalid="ignore")
def contest(
    metric: Metric,
    higher_is_better: bool,
    truth: Floats,
    predictions: Sequence[Floats],
    clusters: Indices,
) -> Contest:
    """Score predictors, [rows] each, on the same resamples of the clusters of rows.

    Scores of numbers that are too large for the metric are infinite or NaN.
    """
    sign = 1.0 if higher_is_better else -1.0
    values = [metric(truth, one) for one in predictions]
    samples = np.array(
        [
            [metric(truth[sample], one[sample]) for one in predictions]
            for sample in resample_rows(clusters)
        ]
    )
    columns = range(len(predictions))
    return Contest(
        tuple(interval_of(values[column], samples[:, column]) for column in columns),
        tuple(
            interval_of(
                sign * (values[0] - values[column]),
                sign * (samples[:, 0] - samples[:, column]),
            )
            for column in columns
        ),
    )


def resample_rows(clusters: Indices) -> list[Indices]:
    """Return the rows of RESAMPLES resamples of clusters, drawn with replacement."""
    generator = np.random.default_rng(_SEED)
    order = np.argsort(clusters, kind="stable")
    _, starts = np.unique(clusters[order], return_index=True)
    members = np.split(order, starts[1:])
    if len(members) == len(clusters):
        return [generator.integers(0, len(clusters), len(clusters)) for _ in range(RESAMPLES)]
    return [
        np.concatenate(
            [members[draw] for draw in generator.integers(0, len(members), len(members))]
        )
        for _ in range(RESAMPLES)
    ]


def interval_of(value: float, samples: Floats) -> ScoreInterval:
    """Return a score with the quantiles of its resamples."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return ScoreInterval(value, float(low), float(high))
