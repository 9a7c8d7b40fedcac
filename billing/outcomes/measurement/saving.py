"""Savings against an adjusted baseline, with their uncertainty.

    adjusted baseline = sum over the reporting days of weight * (baseline prediction for that
                        day's variables + agreed non-routine adjustments)
    savings           = adjusted baseline - measured quantity     (IPMVP: avoided energy use)

The uncertainty includes the error of the coefficients and the autocorrelated noise of both periods.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from billing.outcomes.measurement.baseline import BaselineModel, innovation_variance
from billing.outcomes.measurement.columns import are_independent_columns
from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.errors import BaselineFitFailed
from billing.outcomes.measurement.gls_estimator import (
    PredictionWindow,
    StudentTMixture,
    estimate_effect,
    restricted_log_likelihood,
)
from billing.outcomes.measurement.noise import FloatArray
from billing.outcomes.measurement.plan import MeasurementPlan, NonRoutineAdjustment
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import scipy.linalg
else:
    scipy = LazyModule("scipy")

_MIN_DAYS_FOR_VARIANCE = 30  # reporting days needed to estimate the variance of their noise
_MAX_SCALE = 2.0  # a larger reduction is not treated as proportional


@dataclass(frozen=True, slots=True)
class SavingsEstimate:
    """The distribution of the savings: `sign` * (mixture + `offset`), positive if better.

    `baseline` is the adjusted baseline and `actual` the measured quantity of the same days.
    """

    mixture: StudentTMixture
    offset: float
    sign: int
    baseline: float
    actual: float

    @property
    def estimate(self) -> float:
        """Return the expected savings."""
        return self.sign * (self.mixture.mean + self.offset)

    def lower_bound(self, probability: float) -> float:
        """Return the value that the savings exceed with this probability."""
        if self.sign > 0:
            return self.mixture.quantile(1 - probability) + self.offset
        return -self.mixture.quantile(probability) - self.offset


def estimate_savings(
    before: DailyTable,
    after: DailyTable,
    baseline: BaselineModel,
    plan: MeasurementPlan,
    *,
    alternating: bool = False,
) -> SavingsEstimate:
    """Estimate savings of days `after` against a fit of days `before`; `alternating`: switchback.

    If the two are `alternating` (switchback), the baseline days are few, so the reporting days are
    used to identify the noise as well, after rescaling them (`_rescale_to_expected`).

    Raises BaselineFitFailed if no reporting day is complete.
    """
    if not len(after.days):
        raise BaselineFitFailed("The reporting period has no complete day.")
    columns, weights = baseline.terms.design_matrix(after), after.weights(plan.weight)
    actual = float(weights @ after.values)
    adjusted_by_agreement = float(weights @ non_routine_adjustments(after, plan.adjustments))
    rescaled = _rescale_to_expected(before, after, baseline) if alternating else after
    variance_ratio = _noise_variance_ratio(before, rescaled, baseline)
    extra_log_likelihoods = (
        _joint_log_likelihood(before, rescaled, baseline, variance_ratio) if alternating else []
    )
    mixture = estimate_effect(
        before.values,
        baseline.terms.design_matrix(before),
        before.days,
        weights @ columns,
        PredictionWindow(after.days, weights, variance_ratio),
        extra_log_likelihoods,
    )
    sign = -1 if plan.more_is_better else 1
    return SavingsEstimate(
        mixture, adjusted_by_agreement - actual, sign, mixture.mean + adjusted_by_agreement, actual
    )


def non_routine_adjustments(
    reporting: DailyTable, adjustments: tuple[NonRoutineAdjustment, ...]
) -> FloatArray:
    """Return the sum of the non-routine adjustments of each day."""
    days = [date.fromordinal(int(day)) for day in reporting.days]
    sums = [sum(one.per_day for one in adjustments if one.applies_on(day)) for day in days]
    return np.array(sums, dtype=np.float64)


def _noise_variance_ratio(before: DailyTable, after: DailyTable, baseline: BaselineModel) -> float:
    """Return the noise variance of the reporting period relative to the baseline's, at least 1.

    A smaller variance is treated as 1: the effect may reduce the noise too, and the adjusted
    baseline is the quantity without the effect.
    """
    if len(after.days) < _MIN_DAYS_FOR_VARIANCE:
        return 1.0
    residuals = after.values - _predict(before, after, baseline)
    baseline_variance = innovation_variance(baseline.residuals, before.days, baseline.rho)
    return max(1.0, innovation_variance(residuals, after.days, baseline.rho) / baseline_variance)


def _rescale_to_expected(
    before: DailyTable, after: DailyTable, baseline: BaselineModel
) -> DailyTable:
    """Scale the reporting days to the total that the baseline predicts, by a factor of 1 to 2."""
    expected = float(_predict(before, after, baseline).sum())
    return replace(
        after, values=after.values * proportional_scale(expected, float(after.values.sum()))
    )


def proportional_scale(expected: float, measured: float) -> float:
    """Return the ratio of expected to measured quantity, clipped to 1..2.

    A proportional effect reduces the noise by the same factor. Without scaling it back, the noise
    of the reporting days would be underestimated.
    """
    return min(max(expected / measured, 1.0), _MAX_SCALE) if measured else 1.0


def _joint_log_likelihood(
    before: DailyTable, after: DailyTable, baseline: BaselineModel, variance_ratio: float
) -> list[FloatArray]:
    """Return the restricted log likelihood of both periods, each with its own coefficients.

    Returns an empty list if there are too few reporting days or their columns are collinear.
    """
    terms = baseline.terms
    if len(after.days) < _MIN_DAYS_FOR_VARIANCE or not are_independent_columns(
        terms.named_columns(after)
    ):
        return []
    columns = scipy.linalg.block_diag(terms.design_matrix(before), terms.design_matrix(after))
    values = np.concatenate([before.values, after.values / np.sqrt(variance_ratio)])
    days = np.concatenate([before.days, after.days])
    order = np.argsort(days)
    return [restricted_log_likelihood(values[order], columns[order], days[order])]


def _predict(before: DailyTable, after: DailyTable, baseline: BaselineModel) -> FloatArray:
    """Predict each reporting day by least squares on the baseline days."""
    effects = np.linalg.lstsq(baseline.terms.design_matrix(before), before.values)[0]
    predicted: FloatArray = baseline.terms.design_matrix(after) @ effects
    return predicted
