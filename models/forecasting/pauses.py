"""Pauses of a plant's week, in which nothing is recorded, such as nights and weekends.

Times are counted without them: the step after the last one on Friday is then the first one on
Monday, and seasons, histories and forecasts go on over a weekend as over any other night.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.forecasting.grid import DAY, HOUR, SINCE_MONDAY, WEEK, Floats, Indices
from models.sentences import Sentence, sentence

# Shorter steps are of machines that are recorded as long as they run.
_MOST_SLOTS = round(WEEK / 60)
# A time of the week is part of a pause if it is recorded in at most this share of the weeks, of
# at least so many: shifts are worked on some Saturdays.
_MAX_RECORDED, _MIN_WEEKS = 0.1, 4


class Pauses(msgspec.Struct, frozen=True):
    """The pauses of each week.

    bounds: start and end of each, in seconds since Monday 00:00, ascending and within one week.
    They lie in the middle between two steps. zone: offset from UTC of the times that they were
    found in, in seconds; None if these state none.
    """

    bounds: tuple[tuple[float, float], ...] = ()
    zone: float | None = None

    @property
    def week(self) -> float:
        """The length of a week without pauses, in seconds."""
        return WEEK - sum(end - start for start, end in self.bounds)

    @property
    def day(self) -> float:
        """The length without pauses that the most days with records have, in seconds."""
        limits = np.linspace(0.0, WEEK, 8)
        lengths = np.round(np.diff(limits - self._before(limits)), 3)
        known, counts = np.unique(lengths[lengths > 0], return_counts=True)
        return float(known[counts.argmax()])

    def real_span(self, span: float) -> float:
        """Return a span of time with the pauses, if it is that of a day or of a week."""
        for counted, real in ((self.week, WEEK), (self.day, DAY)):
            if abs(span - counted) < 1e-3:
                return real
        return span

    def contain(self, times: Floats) -> NDArray[np.bool_]:
        """Return which times, in seconds since 1970, are in a pause."""
        within = (times + SINCE_MONDAY) % WEEK
        found = np.zeros(within.shape, dtype=np.bool_)
        for start, end in self.bounds:
            found |= (within >= start) & (within < end)
        return found

    def leave_out(self, times: Floats) -> Floats:
        """Return times outside pauses, in seconds since 1970, counted without pauses."""
        if not self.bounds:
            return times
        weeks, within = np.divmod(times + SINCE_MONDAY, WEEK)
        return np.asarray(weeks * self.week + within - self._before(within))

    def restore(self, counted: Floats) -> Floats:
        """Return times that are counted without pauses as seconds since 1970."""
        if not self.bounds:
            return counted
        weeks, within = np.divmod(counted, self.week)
        passed = np.zeros_like(within)
        before = 0.0
        for start, end in self.bounds:
            passed += np.where(within >= start - before, end - start, 0.0)
            before += end - start
        return np.asarray(weeks * WEEK + within + passed - SINCE_MONDAY)

    def _before(self, within: Floats) -> Floats:
        """Return the length of the pauses before times of the week, in seconds."""
        passed = np.zeros_like(within)
        for start, end in self.bounds:
            passed += np.clip(within - start, 0.0, end - start)
        return passed


NO_PAUSES = Pauses()
"""A plant that records at all times."""


def find_pauses(
    times: Sequence[Floats], step: float, longer_than: int, zone: float | None
) -> Pauses:
    """Return the pauses of more than so many steps that all series have in common.

    times: of each series, in seconds since 1970. step: in seconds. zone: offset of the times.
    """
    slots = round(WEEK / step)
    if slots > _MOST_SLOTS or abs(slots * step - WEEK) > 1e-6 * WEEK:
        return Pauses(zone=zone)
    phase = _phase(np.concatenate(times), step)
    recorded, weeks = np.zeros(slots), np.zeros(slots)
    for one in times:
        steps = np.unique(np.round((one + SINCE_MONDAY - phase) / step).astype(np.intp))
        recorded += np.bincount(steps % slots, minlength=slots)
        weeks += np.bincount(np.arange(steps[0], steps[-1] + 1) % slots, minlength=slots)
    if weeks.min() < _MIN_WEEKS:
        return Pauses(zone=zone)
    runs = _runs(recorded <= _MAX_RECORDED * weeks, longer_than)
    bounds = [one for first, last in runs for one in _bounds(first, last, step, phase)]
    return Pauses(tuple(sorted(bounds)), zone)


def _phase(times: Floats, step: float) -> float:
    """Return how far times lie after whole steps, on average around the circle, in seconds."""
    turns = np.exp(2j * np.pi * (times % step) / step)
    return float(np.angle(turns.mean()) / (2 * np.pi) * step)


def _runs(is_off: NDArray[np.bool_], longer_than: int) -> list[tuple[int, int]]:
    """Return first slot, and that after the last, of runs of more than so many true slots.

    The slots are a circle: the last run may end after the first slot of the next week.
    """
    if is_off.all() or not is_off.any():
        return []
    # From a slot that is on, so that no run lies across the end.
    origin = int(np.flatnonzero(~is_off)[0])
    turned = np.concatenate([np.roll(is_off, -origin), [False]]).astype(int)
    edges: Indices = np.flatnonzero(np.diff(turned)) + 1 + origin
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a > longer_than]


def _bounds(first: int, after: int, step: float, phase: float) -> list[tuple[float, float]]:
    """Return the bounds of a pause of some slots; two if it lies across the end of the week."""
    start = ((first - 0.5) * step + phase) % WEEK
    end = start + (after - first) * step
    return [(start, end)] if end <= WEEK else [(start, WEEK), (0.0, end - WEEK)]


def describe_pauses(pauses: Pauses, left_out: int) -> list[Sentence]:
    """Return sentences on pauses, and on rows in them that were left out."""
    if not pauses.bounds:
        return []
    told = sentence(
        "Nothing is recorded in the same {pause:.4g} of 168 hours of each week: these hours count "
        "neither in seasons and histories nor in forecasts.",
        pause=(WEEK - pauses.week) / HOUR,
    )
    rows = sentence("{count} rows in these hours were left out.", count=left_out)
    return [told, rows] if left_out else [told]
