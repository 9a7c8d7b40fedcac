"""Measuring: from a study to what may be billed, whatever the method.

    before the start      readings -> whole days -> baseline -> kept
    in each settlement    readings -> whole days, and what was kept -> saving and its bound -> gates

`fit` is asked before a contract starts, `measure` at each settlement and by whoever replays one;
without a baseline that was kept, it fits one first. Pure: the same study, the same Measured, to the
last digit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from billing.dates import day_of
from billing.outcomes.measurement.agreed import PPM, Agreed, Limits, Span, Weeks
from billing.outcomes.measurement.baseline import choose, fitted
from billing.outcomes.measurement.days import LeftOut, Mask, Table, daily
from billing.outcomes.measurement.evidence import Study
from billing.outcomes.measurement.expected import by_day
from billing.outcomes.measurement.faults import MeasureInvalid, ReadingsInvalid
from billing.outcomes.measurement.gates import after_gate, before_gate, fit_gates, missing_ppm
from billing.outcomes.measurement.holdout import by_machines, by_weeks, compared
from billing.outcomes.measurement.kept import Kept, KeptDays, keep
from billing.outcomes.measurement.measured import (
    Fitness,
    Gate,
    Measured,
    MeasuredDay,
    Note,
    resolution_for,
    rounded_down,
    to_nearest,
)
from billing.outcomes.measurement.readings import Cleaned, clean
from billing.outcomes.measurement.saving import Saving, saved


@dataclass(frozen=True, slots=True)
class _Told:
    """Each machine's whole days and its meter, and what of the readings does not count."""

    tables: Mapping[str, Table]
    meters: Mapping[str, str]
    notes: tuple[Note, ...]

    def missing(self, span: Span, agreed: Agreed) -> int:
        """The share of a period's days that a machine lacks, of those that are not excluded."""
        days = [{*table.within(span).days.tolist()} for table in self.tables.values()]
        return missing_ppm(len(set.intersection(*days)), agreed.due(span))

    def gate(self, agreed: Agreed) -> Gate:
        """Of the reporting period."""
        return after_gate(self.missing(agreed.reporting, agreed), agreed.limits)


def fit(study: Study) -> Kept:
    """The baseline of the readings before.

    Raises ReadingsInvalid, MeasureInvalid, BaselineUnfit.
    """
    agreed = study.agreed
    if agreed.baseline is None:
        raise MeasureInvalid("method: alternating weeks have no time before.", param="method")
    told = _told(study, agreed.baseline, {})
    if agreed.machines is None:
        baseline = choose(told.tables[""], agreed)
    else:
        beside = compared(told.tables, agreed, agreed.machines)
        size = float(beside.having.mean()) if len(beside.having) else 0.0
        baseline = choose(beside.table, agreed, size)
    days = (KeptDays.of(name, told.meters[name], table) for name, table in told.tables.items())
    missing = told.missing(agreed.baseline, agreed)
    return keep(baseline, agreed.baseline, missing, tuple(days), told.notes)


def fitness_of(study: Study) -> Fitness:
    """Whether a contract may start on the readings before. Raises as `fit` does."""
    kept, limits = fit(study), study.agreed.limits
    return _fitness(kept, (before_gate(kept.missing_ppm, limits),), kept.notes, limits)


def measure(study: Study) -> Measured:
    """The saving of the reporting period. Raises ReadingsInvalid, MeasureInvalid, BaselineUnfit."""
    agreed, weeks = study.agreed, study.agreed.weeks
    if weeks is not None:
        saving, fitness = _alternating(_told(study, agreed.told_of, {}), agreed, weeks)
        return _concluded(saving, fitness, agreed, study.digest())
    kept = study.kept or fit(study)
    told = _told(study, agreed.reporting, kept.meters)
    saving, fitness = _against(kept, told, agreed)
    return _concluded(saving, fitness, agreed, study.digest(), _days(kept, told, agreed))


def _told(study: Study, span: Span, meters: Mapping[str, str]) -> _Told:
    """What was told of a period; `meters` are those that told of the time before it."""
    agreed, zone = study.agreed, ZoneInfo(study.agreed.zone)
    wanted = ("",) if agreed.machines is None else agreed.machines.all
    unknown = {one.machine for one in study.readings} - {*wanted}
    if unknown:
        raise ReadingsInvalid(
            f"Nothing is agreed of {', '.join(sorted(unknown))}.", param="machine"
        )
    within = [one for one in study.readings if span.holds(day_of(one.at, zone))]
    tables, last, notes = {}, {}, []
    for machine in wanted:
        cleaned = clean(within, agreed, machine, meters.get(machine))
        table, left = daily(cleaned, agreed, machine)
        tables[machine], last[machine] = table.where(_counts(table, agreed)), cleaned.meter
        notes += _notes(machine, cleaned, left)
    return _Told(tables, last, tuple(notes))


def _counts(table: Table, agreed: Agreed) -> Mask:
    """Which days are not excluded."""
    days = (date.fromordinal(day) for day in table.days.tolist())
    return np.array([not agreed.excludes(day) for day in days], dtype=np.bool_)


def _notes(machine: str, cleaned: Cleaned, left: LeftOut) -> list[Note]:
    of = f" of {machine}" if machine else ""
    named = (
        ("only in part", left.part),
        ("lacking a variable", left.lacking),
        ("meter swapped", left.swapped),
    )
    doubled = [Note("doubled" + of, cleaned.doubled)] if cleaned.doubled else []
    return doubled + [Note(what + of, len(days), days) for what, days in named if days]


def _against(kept: Kept, told: _Told, agreed: Agreed) -> tuple[Saving, Fitness]:
    """The saving against a baseline that was kept."""
    missing = (before_gate(kept.missing_ppm, agreed.limits), told.gate(agreed))
    fitness = _fitness(kept, missing, (*kept.notes, *told.notes), agreed.limits)
    if agreed.machines is None:
        before = kept.tables[""]
        return saved(before, told.tables[""], fitted(before, kept.terms), agreed), fitness
    tables = {name: table.followed_by(told.tables[name]) for name, table in kept.tables.items()}
    return by_machines(tables, kept.terms, agreed, agreed.machines), fitness


def _days(kept: Kept, told: _Told, agreed: Agreed) -> tuple[MeasuredDay, ...]:
    """Of a plant as a whole; machines beside each other have no baseline of single days."""
    if agreed.machines is not None:
        return ()
    before = kept.tables[""]
    return by_day(before, told.tables[""], fitted(before, kept.terms), agreed)


def _alternating(told: _Told, agreed: Agreed, weeks: Weeks) -> tuple[Saving, Fitness]:
    """The saving against the weeks without, which are the baseline."""
    saving, baseline = by_weeks(told.tables[""], agreed, weeks)
    without = keep(baseline, agreed.told_of, 0, (), told.notes)
    return saving, _fitness(without, (told.gate(agreed),), told.notes, agreed.limits)


def _fitness(
    kept: Kept, missing: tuple[Gate, ...], notes: tuple[Note, ...], limits: Limits
) -> Fitness:
    return Fitness(
        cv=kept.cv_rmse_ppm,
        bias=kept.nmbe_ppm,
        explained=kept.explained_ppm,
        rho=kept.rho_ppm,
        days=kept.days,
        terms=kept.names,
        gates=(*fit_gates(kept.cv_rmse_ppm, kept.nmbe_ppm, kept.days, limits), *missing),
        notes=notes,
    )


def _concluded(
    saving: Saving,
    fitness: Fitness,
    agreed: Agreed,
    evidence: str,
    days: tuple[MeasuredDay, ...] = (),
) -> Measured:
    step = resolution_for(agreed.resolution, max(abs(saving.baseline), abs(saving.actual)))
    sure = 1 - (PPM - agreed.confidence) / agreed.looks / PPM
    bound = rounded_down(saving.above(sure), step)
    nothing = to_nearest(0.0, step)
    return Measured(
        unit=agreed.saved_unit,
        resolution=step,
        baseline=to_nearest(saving.baseline, step),
        actual=to_nearest(saving.actual, step),
        saving=to_nearest(saving.estimate, step),
        error=to_nearest(saving.mixture.error, step),
        low=to_nearest(saving.above((1 + sure) / 2), step),
        high=to_nearest(saving.above((1 - sure) / 2), step),
        bound=bound,
        billable=max(bound, nothing) if fitness.holds else nothing,
        fitness=fitness,
        evidence=evidence,
        days=days,
    )
