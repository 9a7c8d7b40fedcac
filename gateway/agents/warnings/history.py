"""From readings on a grid of time and the times of events to a history to learn from; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from gateway.agents.warnings.settings import WarningSettings
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.values import SECOND_US
from models.policies.warnings.history import HistoryInvalid, MachineHistory

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

# A tick without a reading takes the value of a tick before it, so far back at most.
MAX_GAP = 10


@dataclass(frozen=True, slots=True)
class Grid:
    """Means of readings by tick, [ticks, points], NaN without one; starts in microseconds."""

    starts: Times
    values: Floats

    def filled(self) -> Floats:
        """Return the values with short gaps filled by the value before."""
        known = np.isfinite(self.values)
        position = np.where(known, np.arange(len(self.values))[:, np.newaxis], -1)
        last = np.maximum.accumulate(position, axis=0)
        near = (last >= 0) & (np.arange(len(self.values))[:, np.newaxis] - last <= MAX_GAP)
        taken = np.take_along_axis(self.values, np.maximum(last, 0), axis=0)
        return np.where(near, taken, np.nan)


@dataclass(frozen=True, slots=True)
class TrainingHistory:
    """A history with what of the period it is. used: events that readings come before, in order.

    share: of ticks with a recent reading of every point. shares: by point.
    """

    history: MachineHistory
    used: tuple[datetime, ...]
    share: float
    shares: tuple[float, ...]


def build_history(
    settings: WarningSettings, grid: Grid, events: Sequence[datetime], name: str
) -> TrainingHistory:
    """Return the history of a grid. Raises HistoryInvalid, with figures, for what it lacks."""
    values = grid.filled()
    complete = np.isfinite(values)
    shares = tuple(complete.mean(axis=0).tolist()) if len(values) else ()
    kept = complete.all(axis=1) & ~_recovering(settings, grid.starts, events)
    starts, readings = grid.starts[kept], values[kept]
    normal = settings.normal_ticks
    if len(readings) < 3 * normal:
        stated = ", ".join(
            f"{tag} {share:.0%}" for tag, share in zip(settings.points, shares, strict=False)
        )
        raise HistoryInvalid(
            f"{len(readings)} ticks have a recent reading of every point; {3 * normal} are needed. "
            f"Ticks with readings: {stated or 'none'}."
        )
    spans, used = _windows(settings, starts, events)
    early = [one for one, (first, _) in zip(used, spans, strict=True) if first < normal]
    if early:
        raise HistoryInvalid(
            f"The event at {early[0].isoformat()} lies in the time of normal operation or too soon "
            "after it. Begin the period earlier, or shorten `normal`."
        )
    history = MachineHistory(name, readings, tuple(spans), normal)
    return TrainingHistory(history, tuple(used), float(complete.all(axis=1).mean()), shares)


def _windows(
    settings: WarningSettings, starts: Times, events: Sequence[datetime]
) -> tuple[list[tuple[int, int]], list[datetime]]:
    """Return first and last tick in which a warning of an event is right, and the events used.

    An event without readings before it is left out; ticks of overlapping windows are the earlier
    one's.
    """
    spans: list[tuple[int, int]] = []
    used: list[datetime] = []
    ends = starts + round(settings.every_s * SECOND_US)
    for event in sorted(events):
        begins = from_datetime(event - timedelta(seconds=settings.horizon_s))
        until = from_datetime(event - timedelta(seconds=settings.lead_s))
        inside = np.flatnonzero((ends > begins) & (ends <= until))
        inside = inside[inside > (spans[-1][1] if spans else -1)]
        if inside.size:
            spans.append((int(inside[0]), int(inside[-1])))
            used.append(event)
    return spans, used


def _recovering(
    settings: WarningSettings, starts: Times, events: Sequence[datetime]
) -> NDArray[np.bool_]:
    """Return the ticks after an event in which the machine is being repaired, [ticks]."""
    flags = np.zeros(len(starts), dtype=bool)
    for event in events:
        until = from_datetime(event + timedelta(seconds=settings.recovery_s))
        flags |= (starts >= from_datetime(event)) & (starts < until)
    return flags
