"""From aggregates by slot to the log of whole days of operation; pure.

A day counts only if each of its slots has level, demand and states of all pumps. The inflow of a
slot is the change of the level plus the demand, so that no meter behind the pumps is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.scheduling.basis import M3_PER_HOUR, rated_pumps
from gateway.agents.scheduling.slots import is_whole_day
from gateway.plant.readings.rollups import Rollup
from models.policies.scheduling.log import OperationLog
from models.policies.scheduling.tariff import Floats
from models.units import unit_conversion

Flags = NDArray[np.bool_]
_RUNNING = 0.5
# A mean state within this of 0 or 1 is that of a slot in which the pump was not switched.
_UNSWITCHED = 0.02
_POWER = "kW"


@dataclass(frozen=True, slots=True)
class SlotColumn:
    """A point by slot, [slots]: mean and last value in its unit, NaN without a reading."""

    unit: str
    means: Floats
    lasts: Floats


@dataclass(frozen=True, slots=True)
class History:
    """The points of a schedule by tag from one slot before the first day on; days in order."""

    days: Sequence[date]
    columns: Mapping[str, SlotColumn]


@dataclass(frozen=True, slots=True)
class LoggedDays:
    """Whole days of operation. pure: steps in which no pump was switched and nothing was filled in.

    ends: the level at the end of each day, in m³, [days]. covered: the share of slots with a
    reading, by tag, over all days. asked: how many days were looked at.
    """

    days: tuple[date, ...]
    log: OperationLog | None
    pure: Flags
    ends: Floats
    covered: Mapping[str, float]
    asked: int

    def only_pure(self) -> OperationLog | None:
        """Return the steps from which flow and power of the pumps can be read."""
        log, kept = self.log, self.pure
        if log is None:
            return None
        return OperationLog(log.slots[kept], log.levels[kept], log.actions[kept],
                            log.inflows[kept], log.demands[kept], log.energies[kept])  # fmt: skip

    def part(self, first: int, last: int) -> "LoggedDays":
        """Return the days from `first` to before `last`, by position."""
        if self.log is None:
            return self
        slots = len(self.log.slots) // len(self.days)
        rows = slice(first * slots, last * slots)
        log = self.log
        kept = OperationLog(log.slots[rows], log.levels[rows], log.actions[rows],
                            log.inflows[rows], log.demands[rows], log.energies[rows])  # fmt: skip
        return LoggedDays(self.days[first:last], kept, self.pure[rows], self.ends[first:last],
                          self.covered, self.asked)  # fmt: skip


def column_of(rollup: Rollup, unit: str, start_us: int, slot_us: int, count: int) -> SlotColumn:
    """Return aggregates as a column of `count` slots from a time on."""
    means, lasts = np.full(count, np.nan), np.full(count, np.nan)
    index = (rollup.starts - start_us) // slot_us
    inside = (index >= 0) & (index < count)
    means[index[inside]] = rollup.means[inside]
    lasts[index[inside]] = rollup.lasts[inside]
    return SlotColumn(unit, means, lasts)


def build_log(step: ScheduleStep, history: History) -> LoggedDays:
    """Return the whole days of a history. Raises ValueError for units of other quantities."""
    slots, days = step.slots, len(history.days)
    covered = {
        tag: float(np.isfinite(column.lasts[1:]).mean()) for tag, column in history.columns.items()
    }
    columns = _columns(step, history)
    if columns is None or not days:
        return LoggedDays((), None, np.zeros(0, bool), np.zeros(0), covered, days)
    levels, demands, states, pure, energies = columns
    complete = (
        np.isfinite(levels[:-1]) & np.isfinite(levels[1:]) & np.isfinite(demands)
        & (demands >= 0) & np.isfinite(states) & np.isfinite(energies)
    )  # fmt: skip
    whole = complete.reshape(days, slots).all(axis=1)
    whole &= np.array([is_whole_day(step, day) for day in history.days])
    kept = np.repeat(whole, slots)
    if not kept.any():
        return LoggedDays((), None, np.zeros(0, bool), np.zeros(0), covered, days)
    log = OperationLog(
        slots=np.tile(np.arange(slots), int(whole.sum())),
        levels=levels[:-1][kept],
        actions=states[kept].astype(np.intp),
        inflows=(np.diff(levels) + demands)[kept],
        demands=demands[kept],
        energies=energies[kept],
    )
    chosen = tuple(day for day, taken in zip(history.days, whole, strict=True) if taken)
    ends = levels[1:].reshape(days, slots)[whole, -1]
    return LoggedDays(chosen, log, pure[kept], ends, covered, days)


def contiguous(days: Sequence[date]) -> list[tuple[int, int]]:
    """Return first and last position plus one of each run of days without a gap."""
    gaps = [
        index for index in range(1, len(days)) if days[index] - days[index - 1] != timedelta(days=1)
    ]
    edges = [0, *gaps, len(days)]
    return [(one, other) for one, other in pairwise(edges) if other > one]


def _columns(
    step: ScheduleStep, history: History
) -> tuple[Floats, Floats, Floats, Flags, Floats] | None:
    """Return levels at the slots' limits, demands, numbers of pumps, pure steps, and energies.

    None if a point is missing.
    """
    found = history.columns
    if any(tag not in found for tag in step.tags):
        return None
    hours, most = step.slot_s / 3600, max(1, int(step.level.stale_s // step.slot_s))
    level = _converted(found[step.level.tag].lasts, found[step.level.tag].unit, step.level.unit)
    levels = _filled(level * step.level.m3_per_unit, most)
    flow = found[step.demand.tag]
    demands = _filled(_converted(flow.means, flow.unit, M3_PER_HOUR), most)[1:] * hours
    running = [_states(found[pump.tag], round(86_400 / step.slot_s)) for pump in step.pumps]
    states = np.sum([state for state, _ in running], axis=0)[1:]
    pure = np.all([unswitched for _, unswitched in running], axis=0)[1:]
    pure &= np.isfinite(level[1:]) & np.isfinite(level[:-1]) & np.isfinite(flow.means[1:])
    return levels, demands, states, pure, _energies(step, found, states, hours)


def _energies(
    step: ScheduleStep, found: Mapping[str, SlotColumn], states: Floats, hours: float
) -> Floats:
    """Return the energy of each slot in kWh, metered or by rated power."""
    if step.power_tag:
        meter = found[step.power_tag]
        return np.asarray(_converted(meter.means, meter.unit, _POWER)[1:] * hours)
    powers = np.array(rated_pumps(step).powers)
    known = np.isfinite(states)
    return np.where(known, powers[np.where(known, states, 0).astype(int)] * hours, np.nan)


def _states(column: SlotColumn, most: int) -> tuple[Floats, Flags]:
    """Return whether a pump ran in each slot, 0, 1 or NaN, and where it was not switched.

    A state that is reported on change only holds for up to `most` slots.
    """
    held = _filled(column.lasts, most)
    # Without a reading in a slot, the pump is in the state of the slot before.
    means = np.where(np.isfinite(column.means), column.means, held)
    running = np.where(np.isfinite(means), (means > _RUNNING).astype(float), np.nan)
    unswitched = (np.abs(means) <= _UNSWITCHED) | (np.abs(means - 1) <= _UNSWITCHED)
    return running, np.asarray(unswitched)


def _filled(values: Floats, most: int) -> Floats:
    """Return values with gaps of at most `most` slots filled by the value before."""
    known = np.isfinite(values)
    position = np.where(known, np.arange(len(values)), -1)
    last = np.maximum.accumulate(position)
    near = (last >= 0) & (np.arange(len(values)) - last <= most)
    return np.where(near, values[np.maximum(last, 0)], np.nan)


def _converted(values: Floats, unit: str, target: str) -> Floats:
    """Return values in another unit. Raises ValueError for one of another quantity."""
    return values if unit == target else np.asarray(unit_conversion(unit, target)(values))
