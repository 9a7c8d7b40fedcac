"""Scores of held-out predictions with confidence intervals, and their comparison with a baseline.

Intervals are from a bootstrap over clusters (machines, blocks of time, rows): rows of one machine
are not independent, and five machines say less than their thousand rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import f1_score

from models.adaptation import DecisionCosts, Score
from models.tabular.data import Floats, Goal, Indices, Target

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
class Comparison:
    """The scores of a model and of a baseline on the same rows, and of their difference.

    The difference is positive where the model is better, whichever way the metric points.
    """

    metric: str
    higher_is_better: bool
    model: ScoreInterval
    baseline: ScoreInterval
    difference: ScoreInterval

    @property
    def is_worse(self) -> bool:
        """Whether the model is worse than the baseline by more than chance explains."""
        return self.difference.high < 0

    @property
    def is_better(self) -> bool:
        """Whether the model is better than the baseline by more than chance explains."""
        return self.difference.low > 0

    def as_score(self, held_out: str, decision: DecisionCosts | None = None) -> Score:
        """Return the score of a training, with what was held out in the metric's name.

        `decision`: what decisions would have cost, if costs were stated. The score's interval is
        that of the difference: chance alone must not reject a model.
        """
        return Score(
            f"{self.metric}, {held_out}",
            self.baseline.value,
            self.model.value,
            self.higher_is_better,
            improvement=(self.difference.low, self.difference.high),
            decision=decision,
        )


Metric = Callable[[Floats, Floats], float]
"""Returns the score of predictions, given truth and predictions, [rows] each."""


def metric_of(target: Target) -> tuple[str, bool, Metric]:
    """Return the metric's name, whether higher is better, and the metric."""
    if target.goal is Goal.CLASS:
        return "macro-F1", True, macro_f1
    unit = f" in {target.unit}" if target.unit else ""
    return f"RMSE{unit}", False, rmse


def macro_f1(truth: Floats, predicted: Floats) -> float:
    """Return the F1 score averaged over the classes that occur."""
    return float(f1_score(truth, predicted, average="macro", zero_division=0))


def rmse(truth: Floats, predicted: Floats) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((truth - predicted) ** 2)))


def compare(target: Target, predicted: Floats, baseline: Floats, clusters: Indices) -> Comparison:
    """Compare held-out predictions with a baseline's on the same rows, [rows] each.

    Rows that were never held out are NaN in `predicted` and are left out.
    """
    name, higher_is_better, metric = metric_of(target)
    rows = np.flatnonzero(np.isfinite(predicted))
    truth, predicted, baseline = target.values[rows], predicted[rows], baseline[rows]
    sign = 1.0 if higher_is_better else -1.0
    samples = [
        (metric(truth[sample], predicted[sample]), metric(truth[sample], baseline[sample]))
        for sample in _resamples(clusters[rows])
    ]
    of_model, of_baseline = np.array(samples).T
    model, base = metric(truth, predicted), metric(truth, baseline)
    return Comparison(
        name,
        higher_is_better,
        _interval(model, of_model),
        _interval(base, of_baseline),
        _interval(sign * (model - base), sign * (of_model - of_baseline)),
    )


def majority_or_mean(target: Target, training: Indices) -> float:
    """Return what is predicted without any input: the most frequent class, or the mean."""
    values = target.values[training]
    if target.goal is Goal.CLASS:
        return float(np.bincount(values.astype(np.intp)).argmax())
    return float(values.mean())


def _resamples(clusters: Indices) -> list[Indices]:
    """Return the rows of resampled clusters, drawn with replacement."""
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


def _interval(value: float, samples: Floats) -> ScoreInterval:
    """Return a score with the quantiles of its resamples."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return ScoreInterval(value, float(low), float(high))
