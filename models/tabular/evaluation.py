"""Scores of held-out predictions with confidence intervals, and their comparison with a baseline.

Intervals are from a bootstrap over clusters (models/observed/resampling.py).
"""

from dataclasses import dataclass

import numpy as np

from models.adaptation import DecisionCosts, Score
from models.observed.metrics import Metric, macro_f1, rmse
from models.observed.resampling import ScoreInterval, contest
from models.tabular.data import Floats, Goal, Indices, Target


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


def metric_of(target: Target) -> tuple[str, bool, Metric]:
    """Return the metric's name, whether higher is better, and the metric."""
    if target.goal is Goal.CLASS:
        return "macro-F1", True, macro_f1
    unit = f" in {target.unit}" if target.unit else ""
    return f"RMSE{unit}", False, rmse


def compare(target: Target, predicted: Floats, baseline: Floats, clusters: Indices) -> Comparison:
    """Compare held-out predictions with a baseline's on the same rows, [rows] each.

    Rows that were never held out are NaN in `predicted` and are left out.
    """
    name, higher_is_better, metric = metric_of(target)
    rows = np.flatnonzero(np.isfinite(predicted))
    truth, predicted, baseline = target.values[rows], predicted[rows], baseline[rows]
    found = contest(metric, higher_is_better, truth, [predicted, baseline], clusters[rows])
    model, base = found.scores
    return Comparison(name, higher_is_better, model, base, found.differences[1])


def majority_or_mean(target: Target, training: Indices) -> float:
    """Return what is predicted without any input: the most frequent class, or the mean."""
    values = target.values[training]
    if target.goal is Goal.CLASS:
        return float(np.bincount(values.astype(np.intp)).argmax())
    return float(values.mean())
