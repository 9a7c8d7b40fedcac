"""The saving by design: alternating weeks, or machines with and without.

    weeks      the days with, beside what the days without predict for them
    machines   with less without, day by day: by how much that changed after the effect began

The weeks are a baseline whose days lie between those of the reporting period, so that whatever
lasts is on both sides. The machines are one regression with a column for the effect, on terms
chosen from the time before, once what the effect took of the noise was given back in proportion.
Days next to a change of weeks, and days that one machine lacks, count on no side. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce

import numpy as np

from billing.outcomes.measurement.agreed import Agreed, Machines, Weeks
from billing.outcomes.measurement.baseline import Baseline, choose
from billing.outcomes.measurement.columns import Terms, require_distinct
from billing.outcomes.measurement.days import Table
from billing.outcomes.measurement.faults import BaselineUnfit
from billing.outcomes.measurement.memory import weigh
from billing.outcomes.measurement.noise import Days, Floats
from billing.outcomes.measurement.saving import Saving, level, saved

_EFFECT = "effect"


def by_weeks(table: Table, agreed: Agreed, weeks: Weeks) -> tuple[Saving, Baseline]:
    """The saving of the days with, predicted from the days without. Raises BaselineUnfit."""
    first = agreed.told_of.first
    into = table.days - first.toordinal()
    settled = table.where(into % weeks.days >= weeks.washout)
    treated = having(settled.days, first, weeks) == 1
    without = settled.where(~treated)
    baseline = choose(without, agreed)
    counted = settled.where(treated).within(agreed.reporting)
    return saved(without, counted, baseline, agreed, alternating=True), baseline


def by_machines(
    tables: Mapping[str, Table], terms: Terms, agreed: Agreed, machines: Machines
) -> Saving:
    """The saving of the machines with, all together, in the reporting period, by terms that were
    chosen from the days before. Raises BaselineUnfit."""
    beside = compared(tables, agreed, machines)
    table, treated = beside.table, beside.table.days >= agreed.reporting.first.toordinal()
    if not 0 < treated.sum() < len(treated):
        raise BaselineUnfit("There are no whole days both with and without the effect.")
    effect = treated.astype(np.float64)
    require_distinct([*terms.named(table), (_EFFECT, effect)])
    columns = np.column_stack([terms.columns(table), effect])
    sought = np.zeros(columns.shape[1])
    sought[-1] = -float(beside.weights @ effect)
    back = _given_back(table, columns, beside.having * effect)
    mixture = weigh(table.values + back, columns, table.days, sought)
    offset, actual = float(beside.weights @ back), float((beside.weights * effect) @ beside.having)
    sign = -1 if agreed.more_is_better else 1
    return Saving(mixture, offset, sign, actual + mixture.centre + offset, actual)


@dataclass(frozen=True, slots=True)
class Beside:
    """By day: the machines with less those without, what those with had on average, and how many
    times a day counts."""

    table: Table
    having: Floats
    weights: Floats


def compared(tables: Mapping[str, Table], agreed: Agreed, machines: Machines) -> Beside:
    """Machines with and without, on the days that all of them have.

    Machines differ, and so do days; what both share is in neither the difference of a day nor its
    change. Variables count as the difference too, so one that all machines share (as the weather)
    is constant, and refused where terms are chosen.
    """
    together = reduce(np.intersect1d, [one.days for one in tables.values()])
    alike = {name: one.where(np.isin(one.days, together)) for name, one in tables.items()}
    mine, others = ([alike[one] for one in of] for of in (machines.having, machines.lacking))
    table = Table(
        together,
        _mean(mine, None) - _mean(others, None),
        {one.name: _mean(mine, one.name) - _mean(others, one.name) for one in agreed.variables},
    )
    per_day = np.ones(len(together)) if agreed.weight is None else _mean(mine, agreed.weight)
    return Beside(table, _mean(mine, None), len(mine) * per_day)


def having(days: Days, first: date, weeks: Weeks) -> Floats:
    """1 on the days with, which come first, and 0 on the days without."""
    into = (days - first.toordinal()) // weeks.days
    treated: Floats = (into % 2 == 0).astype(np.float64)
    return treated


def _given_back(table: Table, columns: Floats, measured: Floats) -> Floats:
    """What an effect in proportion took of each day, its noise as well; about all of the effect."""
    effect = float(np.linalg.lstsq(columns, table.values)[0][-1])
    expected = float((measured - effect * columns[:, -1]).sum())
    back: Floats = (level(expected, float(measured.sum())) - 1) * measured
    return back


def _mean(tables: list[Table], name: str | None) -> Floats:
    columns = [one.values if name is None else one.variables[name] for one in tables]
    mean: Floats = np.mean(columns, axis=0)
    return mean
