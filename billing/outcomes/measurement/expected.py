"""Adjusted baseline and prediction interval of each reporting day, for charts.

    expected = least squares prediction of the day + agreed non-routine adjustments
    interval = expected -/+ t * s * sqrt(1 + x' (X'X)^-1 x), the interval of a single day

The billed savings do not follow from these: saving.py estimates the sum over all days with
autocorrelated noise.
"""

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from billing.outcomes.measurement.baseline import BaselineModel
from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.plan import PPM, MeasurementPlan
from billing.outcomes.measurement.results import (
    DailyResult,
    effective_resolution,
    round_to_resolution,
)
from billing.outcomes.measurement.saving import non_routine_adjustments
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import scipy.special
else:
    scipy = LazyModule("scipy")


def expected_by_day(
    before: DailyTable, after: DailyTable, baseline: BaselineModel, plan: MeasurementPlan
) -> tuple[DailyResult, ...]:
    """Return measured and expected values of each reporting day, with prediction intervals."""
    design, reporting_design = (
        baseline.terms.design_matrix(before),
        baseline.terms.design_matrix(after),
    )
    effects = np.linalg.lstsq(design, before.values)[0]
    # Balance points are fitted parameters too, as in the goodness of fit.
    degrees_of_freedom = (
        len(before.days) - design.shape[1] - sum(at.count for _, at in baseline.terms.balances)
    )
    inverse = np.linalg.pinv(design.T @ design)
    leverage = np.einsum("ij,jk,ik->i", reporting_design, inverse, reporting_design)
    half_width = np.sqrt(
        baseline.residuals @ baseline.residuals / degrees_of_freedom * (1 + leverage)
    )
    half_width = half_width * scipy.special.stdtrit(
        degrees_of_freedom, 1 - (PPM - plan.confidence) / PPM / 2
    )
    expected = reporting_design @ effects + non_routine_adjustments(after, plan.adjustments)
    largest = float(np.abs([*expected, *after.values]).max(initial=0.0))
    resolution = effective_resolution(plan.resolution, largest)
    rows = np.column_stack([after.values, expected, expected - half_width, expected + half_width])
    return tuple(
        DailyResult(date.fromordinal(day), *(round_to_resolution(one, resolution) for one in row))
        for day, row in zip(after.days.tolist(), rows.tolist(), strict=True)
    )
