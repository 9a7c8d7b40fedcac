"""Measurement of savings from a study, for all methods: baseline, switchback and holdout.

    before the start      readings -> complete days -> baseline -> stored baseline
    at each settlement    readings -> complete days + stored baseline -> savings, bound, gates

`fit_baseline_of_study` runs before a contract starts, `measure_savings` at each settlement and at
each replay; without a stored baseline it fits one first. Deterministic: the same study gives the
same result to the last digit. No database, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from billing.dates import local_day
from billing.outcomes.measurement.baseline import fit_terms, select_baseline
from billing.outcomes.measurement.days import DailyTable, Mask, OmittedDays, aggregate_by_day
from billing.outcomes.measurement.errors import MeasurementPlanInvalid, ReadingsInvalid
from billing.outcomes.measurement.evidence import MeasurementStudy
from billing.outcomes.measurement.expected import expected_by_day
from billing.outcomes.measurement.gates import (
    baseline_fit_gates,
    baseline_missing_days_gate,
    missing_ppm,
    reporting_missing_days_gate,
)
from billing.outcomes.measurement.holdout import (
    compare_machine_groups,
    holdout_savings,
    switchback_savings,
)
from billing.outcomes.measurement.plan import (
    PPM,
    DateRange,
    GateLimits,
    MeasurementPlan,
    SwitchbackSchedule,
)
from billing.outcomes.measurement.readings import CleanedReadings, clean_readings
from billing.outcomes.measurement.results import (
    BaselineFitReport,
    DailyResult,
    DataQualityNote,
    GateResult,
    MeasurementResult,
    effective_resolution,
    floor_to_resolution,
    round_to_resolution,
)
from billing.outcomes.measurement.saving import SavingsEstimate, estimate_savings
from billing.outcomes.measurement.stored_baseline import (
    StoredBaseline,
    StoredMachineDays,
    build_stored_baseline,
)


@dataclass(frozen=True, slots=True)
class _PeriodData:
    """The prepared data of a period: daily tables and last meters by machine, and notes."""

    tables: Mapping[str, DailyTable]
    meters: Mapping[str, str]
    notes: tuple[DataQualityNote, ...]

    def missing_days_ppm(self, period: DateRange, plan: MeasurementPlan) -> int:
        """Return the share in ppm of included days without data of some machine, rounded up."""
        days_by_machine = [{*table.within(period).days.tolist()} for table in self.tables.values()]
        return missing_ppm(
            len(set.intersection(*days_by_machine)), plan.count_included_days(period)
        )

    def missing_days_gate(self, plan: MeasurementPlan) -> GateResult:
        """Return the gate result for the missing days of the reporting period."""
        return reporting_missing_days_gate(self.missing_days_ppm(plan.reporting, plan), plan.limits)


def fit_baseline_of_study(study: MeasurementStudy) -> StoredBaseline:
    """Fit the baseline to the readings of the baseline period.

    Raises ReadingsInvalid, MeasurementPlanInvalid, BaselineFitFailed.
    """
    plan = study.agreed
    if plan.baseline is None:
        raise MeasurementPlanInvalid(
            "method: the switchback design has no baseline period.", param="method"
        )
    data = _prepare_period(study, plan.baseline, {})
    if plan.machines is None:
        baseline = select_baseline(data.tables[""], plan)
    else:
        comparison = compare_machine_groups(data.tables, plan, plan.machines)
        mean_override = (
            float(comparison.treated_mean.mean()) if len(comparison.treated_mean) else 0.0
        )
        baseline = select_baseline(comparison.difference, plan, mean_override)
    days = (
        StoredMachineDays.from_table(name, data.meters[name], table)
        for name, table in data.tables.items()
    )
    missing_share = data.missing_days_ppm(plan.baseline, plan)
    return build_stored_baseline(baseline, plan.baseline, missing_share, tuple(days), data.notes)


def baseline_fit_report(study: MeasurementStudy) -> BaselineFitReport:
    """Fit the baseline and report whether a contract may start on it.

    Raises the same as `fit_baseline_of_study`.
    """
    stored, limits = fit_baseline_of_study(study), study.agreed.limits
    return _fit_report(
        stored, (baseline_missing_days_gate(stored.missing_ppm, limits),), stored.notes, limits
    )


def measure_savings(study: MeasurementStudy) -> MeasurementResult:
    """Measure the savings of the reporting period with their lower confidence bound.

    Raises ReadingsInvalid, MeasurementPlanInvalid, BaselineFitFailed.
    """
    plan, schedule = study.agreed, study.agreed.weeks
    if schedule is not None:
        saving, fitness = _savings_by_switchback(
            _prepare_period(study, plan.comparison_period, {}), plan, schedule
        )
        return _build_result(saving, fitness, plan, study.digest())
    stored = study.kept or fit_baseline_of_study(study)
    data = _prepare_period(study, plan.reporting, stored.meters)
    saving, fitness = _savings_against_baseline(stored, data, plan)
    return _build_result(saving, fitness, plan, study.digest(), _daily_results(stored, data, plan))


def _prepare_period(
    study: MeasurementStudy, period: DateRange, baseline_meters: Mapping[str, str]
) -> _PeriodData:
    """Clean and aggregate the readings of a period, machine by machine.

    `baseline_meters` are the last meters of the baseline period. Raises ReadingsInvalid.
    """
    plan, zone = study.agreed, ZoneInfo(study.agreed.zone)
    machines = ("",) if plan.machines is None else plan.machines.all
    unknown = {one.machine for one in study.readings} - {*machines}
    if unknown:
        raise ReadingsInvalid(
            f"The contract does not name the machines {', '.join(sorted(unknown))}.",
            param="machine",
        )
    within = [one for one in study.readings if period.contains(local_day(one.at, zone))]
    tables, last_meters, notes = {}, {}, []
    for machine in machines:
        cleaned = clean_readings(within, plan, machine, baseline_meters.get(machine))
        table, omitted = aggregate_by_day(cleaned, plan, machine)
        tables[machine], last_meters[machine] = (
            table.filter(_included_days(table, plan)),
            cleaned.last_meter,
        )
        notes += _data_quality_notes(machine, cleaned, omitted)
    return _PeriodData(tables, last_meters, tuple(notes))


def _included_days(table: DailyTable, plan: MeasurementPlan) -> Mask:
    """Return a mask of the days that no agreed exclusion covers."""
    days = (date.fromordinal(day) for day in table.days.tolist())
    return np.array([not plan.is_excluded(day) for day in days], dtype=np.bool_)


def _data_quality_notes(
    machine: str, cleaned: CleanedReadings, omitted: OmittedDays
) -> list[DataQualityNote]:
    """Return the notes on a machine's duplicate readings and omitted days."""
    suffix = f" of {machine}" if machine else ""
    omissions = (
        ("only in part", omitted.incomplete),
        ("lacking a variable", omitted.missing_variable),
        ("meter swapped", omitted.meter_replaced),
    )
    duplicates = (
        [DataQualityNote("doubled" + suffix, cleaned.duplicates)] if cleaned.duplicates else []
    )
    return duplicates + [
        DataQualityNote(what + suffix, len(days), days) for what, days in omissions if days
    ]


def _savings_against_baseline(
    stored: StoredBaseline, data: _PeriodData, plan: MeasurementPlan
) -> tuple[SavingsEstimate, BaselineFitReport]:
    """Estimate the savings against a stored baseline; also return its fit report."""
    missing_gates = (
        baseline_missing_days_gate(stored.missing_ppm, plan.limits),
        data.missing_days_gate(plan),
    )
    fitness = _fit_report(stored, missing_gates, (*stored.notes, *data.notes), plan.limits)
    if plan.machines is None:
        before = stored.tables[""]
        return estimate_savings(
            before, data.tables[""], fit_terms(before, stored.terms), plan
        ), fitness
    tables = {name: table.concat(data.tables[name]) for name, table in stored.tables.items()}
    return holdout_savings(tables, stored.terms, plan, plan.machines), fitness


def _daily_results(
    stored: StoredBaseline, data: _PeriodData, plan: MeasurementPlan
) -> tuple[DailyResult, ...]:
    """Return the daily results of a plant; empty for a holdout, which has no daily baseline."""
    if plan.machines is not None:
        return ()
    before = stored.tables[""]
    return expected_by_day(before, data.tables[""], fit_terms(before, stored.terms), plan)


def _savings_by_switchback(
    data: _PeriodData, plan: MeasurementPlan, schedule: SwitchbackSchedule
) -> tuple[SavingsEstimate, BaselineFitReport]:
    """Estimate a switchback's savings; also return the fit report of its control days."""
    saving, baseline = switchback_savings(data.tables[""], plan, schedule)
    control = build_stored_baseline(baseline, plan.comparison_period, 0, (), data.notes)
    return saving, _fit_report(control, (data.missing_days_gate(plan),), data.notes, plan.limits)


def _fit_report(
    stored: StoredBaseline,
    missing_gates: tuple[GateResult, ...],
    notes: tuple[DataQualityNote, ...],
    limits: GateLimits,
) -> BaselineFitReport:
    """Return the fit report of a baseline with the results of all gates."""
    return BaselineFitReport(
        cv=stored.cv_rmse_ppm,
        bias=stored.nmbe_ppm,
        explained=stored.explained_ppm,
        rho=stored.rho_ppm,
        days=stored.days,
        terms=stored.column_names,
        gates=(
            *baseline_fit_gates(stored.cv_rmse_ppm, stored.nmbe_ppm, stored.days, limits),
            *missing_gates,
        ),
        notes=notes,
    )


def _build_result(
    saving: SavingsEstimate,
    fitness: BaselineFitReport,
    plan: MeasurementPlan,
    study_digest: str,
    days: tuple[DailyResult, ...] = (),
) -> MeasurementResult:
    """Round a savings estimate to a result; nothing is billable unless all gates are met."""
    resolution = effective_resolution(
        plan.resolution, max(abs(saving.baseline), abs(saving.actual))
    )
    confidence = 1 - (PPM - plan.confidence) / plan.looks / PPM
    bound = floor_to_resolution(saving.lower_bound(confidence), resolution)
    zero = round_to_resolution(0.0, resolution)
    return MeasurementResult(
        unit=plan.savings_unit,
        resolution=resolution,
        baseline=round_to_resolution(saving.baseline, resolution),
        actual=round_to_resolution(saving.actual, resolution),
        saving=round_to_resolution(saving.estimate, resolution),
        error=round_to_resolution(saving.mixture.standard_error, resolution),
        low=round_to_resolution(saving.lower_bound((1 + confidence) / 2), resolution),
        high=round_to_resolution(saving.lower_bound((1 - confidence) / 2), resolution),
        bound=bound,
        billable=max(bound, zero) if fitness.passes else zero,
        fitness=fitness,
        evidence=study_digest,
        days=days,
    )
