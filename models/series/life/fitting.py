"""Fit the remaining life of machines: settings, held-out predictions, then all machines."""

from dataclasses import dataclass

import numpy as np

from models.series.life.distance import LifeDistance, fit_column_course, fit_distance
from models.series.life.model import LifeModel, LifeSettings, fit_model
from models.series.life.rows import LifeRows
from models.series.life.settings import choose_history, choose_settings
from models.series.series import Floats
from models.tabular.data import Target
from models.tabular.evaluation import Comparison, compare
from models.tabular.fitting import HeldOutPredictions, ReportFold
from models.tabular.splits import SplitPlan, plan_splits


@dataclass(frozen=True, slots=True)
class LastSteps:
    """The model of calls whose history is not complete, beside one of complete histories.

    widening: by what its intervals are wider.
    """

    model: LifeModel
    widening: float


@dataclass(frozen=True, slots=True)
class FittedLife:
    """A model of all machines, with what is known of it from machines that it was not fitted on.

    last_steps: the other model, if `model` needs complete histories.
    """

    model: LifeModel
    last_steps: LastSteps | None
    target: Target
    plan: SplitPlan
    held_out: HeldOutPredictions
    comparison: Comparison
    distance: LifeDistance


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """Predictions of machines that were left out, and how far these are from the mean course.

    departures: [rows, columns].
    """

    held_out: HeldOutPredictions
    departures: Floats

    def error(self, target: Target) -> float:
        """Return the root mean square error."""
        rows = self.held_out.rows
        errors = self.held_out.scores[rows] - target.values[rows]
        return float(np.sqrt(np.mean(errors**2)))


def fit_life(
    rows: LifeRows, name: str, unit: str | None, cap: float | None, threads: int, report: ReportFold
) -> FittedLife:
    """Fit a model on all machines, and evaluate it on machines that were left out."""
    plan = plan_splits(rows.as_table(rows.capped(name, unit, float(rows.life.max()))))
    of_steps = choose_settings(rows, plan, cap, threads)
    of_history = choose_history(rows, plan, of_steps, threads)
    settings = of_history or of_steps
    target = rows.capped(name, unit, settings.cap)
    left_out = _leave_out(rows, target, plan, settings, threads, report)
    held = left_out.held_out
    comparison = compare(target, held.scores, held.baseline, plan.clusters)
    usable = rows.usable(settings.cap)
    model = fit_model(rows, usable, settings, threads)
    course = fit_column_course(rows.recent_means[usable], rows.life[usable])
    departures, machines = left_out.departures[held.rows], rows.machines[held.rows]
    distance = fit_distance(course, departures, machines, model.weights)
    last_steps = None
    if of_history is not None:
        others = _leave_out(rows, target, plan, of_steps, threads, _report_nothing)
        widening = max(1.0, others.error(target) / max(left_out.error(target), 1e-9))
        last_steps = LastSteps(fit_model(rows, usable, of_steps, threads), widening)
    return FittedLife(model, last_steps, target, plan, held, comparison, distance)


def _leave_out(
    rows: LifeRows,
    target: Target,
    plan: SplitPlan,
    settings: LifeSettings,
    threads: int,
    report: ReportFold,
) -> _LeftOut:
    """Return the predictions of models that have not seen a row's machine."""
    usable = rows.usable(settings.cap)
    sums, counts = np.zeros(len(rows)), np.zeros(len(rows))
    baseline = np.full(len(rows), np.nan)
    departures = np.full_like(rows.recent_means, np.nan)
    for number, split in enumerate(plan.splits, start=1):
        training = np.intersect1d(split.training, usable)
        held_out = np.intersect1d(split.held_out, usable)
        model = fit_model(rows, training, settings, threads)
        predicted = model.predict(rows, held_out)
        sums[held_out] += predicted
        counts[held_out] += 1
        baseline[held_out] = target.values[training].mean()
        course = fit_column_course(rows.recent_means[training], rows.life[training])
        departures[held_out] = course.departures(rows.recent_means[held_out], predicted)
        report(number, len(plan.splits))
    with np.errstate(invalid="ignore"):
        return _LeftOut(HeldOutPredictions(sums / counts, baseline), departures)


def _report_nothing(_number: int, _of: int) -> None:
    """Do not report the splits of the second model."""
