"""Savings of controlled designs: switchback schedules and control groups of machines.

    switchback   treated days against the prediction from the interleaved control days
    holdout      change, after the start, of the daily difference between treated and control
                 machines (difference in differences)

In a switchback the control days are the baseline; they lie between the treated days, so persistent
noise affects both. The holdout is one regression with an effect column on terms selected before the
start; the noise that a proportional effect removed is restored first. Washout days and days that a
machine lacks are ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce

import numpy as np

from billing.outcomes.measurement.baseline import BaselineModel, select_baseline
from billing.outcomes.measurement.columns import RegressionTerms, require_independent_columns
from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.errors import BaselineFitFailed
from billing.outcomes.measurement.gls_estimator import estimate_effect
from billing.outcomes.measurement.noise import DayArray, FloatArray
from billing.outcomes.measurement.plan import MachineGroups, MeasurementPlan, SwitchbackSchedule
from billing.outcomes.measurement.saving import (
    SavingsEstimate,
    estimate_savings,
    proportional_scale,
)

_EFFECT_COLUMN = "effect"


def switchback_savings(
    table: DailyTable, plan: MeasurementPlan, schedule: SwitchbackSchedule
) -> tuple[SavingsEstimate, BaselineModel]:
    """Estimate the savings of the treated days against a baseline fitted to the control days.

    Raises BaselineFitFailed.
    """
    first = plan.comparison_period.first
    day_offsets = table.days - first.toordinal()
    settled = table.filter(day_offsets % schedule.days >= schedule.washout)
    treated = treatment_indicator(settled.days, first, schedule) == 1
    control = settled.filter(~treated)
    baseline = select_baseline(control, plan)
    reporting = settled.filter(treated).within(plan.reporting)
    return estimate_savings(control, reporting, baseline, plan, alternating=True), baseline


def holdout_savings(
    tables: Mapping[str, DailyTable],
    terms: RegressionTerms,
    plan: MeasurementPlan,
    machines: MachineGroups,
) -> SavingsEstimate:
    """Estimate the total savings of the treated machines in the reporting period.

    `terms` were selected on the baseline period. Raises BaselineFitFailed.
    """
    comparison = compare_machine_groups(tables, plan, machines)
    table, treated = (
        comparison.difference,
        comparison.difference.days >= plan.reporting.first.toordinal(),
    )
    if not 0 < treated.sum() < len(treated):
        raise BaselineFitFailed("There must be complete days both with and without the effect.")
    effect = treated.astype(np.float64)
    require_independent_columns([*terms.named_columns(table), (_EFFECT_COLUMN, effect)])
    columns = np.column_stack([terms.design_matrix(table), effect])
    contrast = np.zeros(columns.shape[1])
    contrast[-1] = -float(comparison.weights @ effect)
    correction = _proportional_correction(table, columns, comparison.treated_mean * effect)
    mixture = estimate_effect(table.values + correction, columns, table.days, contrast)
    offset, actual = (
        float(comparison.weights @ correction),
        float((comparison.weights * effect) @ comparison.treated_mean),
    )
    sign = -1 if plan.more_is_better else 1
    return SavingsEstimate(mixture, offset, sign, actual + mixture.mean + offset, actual)


@dataclass(frozen=True, slots=True)
class ControlGroupComparison:
    """Daily comparison of treated machines with the control group.

    `difference` is the mean of the treated minus the mean of the control machines, `treated_mean`
    the mean of the treated, `weights` the weight of each day in the savings.
    """

    difference: DailyTable
    treated_mean: FloatArray
    weights: FloatArray


def compare_machine_groups(
    tables: Mapping[str, DailyTable], plan: MeasurementPlan, machines: MachineGroups
) -> ControlGroupComparison:
    """Compare treated and control machines on the days that all machines have.

    Constant differences between machines and influences shared by all machines cancel. Variables
    are differenced too, so one that all machines share (such as the weather) becomes constant and
    is rejected when terms are selected.
    """
    common_days = reduce(np.intersect1d, [one.days for one in tables.values()])
    aligned = {name: one.filter(np.isin(one.days, common_days)) for name, one in tables.items()}
    treated, control = ([aligned[one] for one in of] for of in (machines.having, machines.lacking))
    table = DailyTable(
        common_days,
        _group_mean(treated, None) - _group_mean(control, None),
        {
            one.name: _group_mean(treated, one.name) - _group_mean(control, one.name)
            for one in plan.variables
        },
    )
    per_day = (
        np.ones(len(common_days)) if plan.weight is None else _group_mean(treated, plan.weight)
    )
    return ControlGroupComparison(table, _group_mean(treated, None), len(treated) * per_day)


def treatment_indicator(days: DayArray, first: date, schedule: SwitchbackSchedule) -> FloatArray:
    """Return 1.0 for treated days and 0.0 for control days; the first block is treated."""
    blocks = (days - first.toordinal()) // schedule.days
    treated: FloatArray = (blocks % 2 == 0).astype(np.float64)
    return treated


def _proportional_correction(
    table: DailyTable, columns: FloatArray, measured: FloatArray
) -> FloatArray:
    """Return what to add to `measured` per day to undo a proportional saving, noise included."""
    effect = float(np.linalg.lstsq(columns, table.values)[0][-1])
    expected = float((measured - effect * columns[:, -1]).sum())
    correction: FloatArray = (proportional_scale(expected, float(measured.sum())) - 1) * measured
    return correction


def _group_mean(tables: list[DailyTable], variable: str | None) -> FloatArray:
    """Return the daily mean over machines, of the quantity (None) or of a variable."""
    columns = [one.values if variable is None else one.variables[variable] for one in tables]
    mean: FloatArray = np.mean(columns, axis=0)
    return mean
