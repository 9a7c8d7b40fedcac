"""Filters by time: a rate limit, and averages of windows.

Neither bounds the error of values: a rate limit loses what happens between the readings it keeps,
an average loses the deviations from it. `WindowMean` states the largest deviation that it saw.
"""

from collections.abc import Sequence

from gateway.plant.readings.filtering.filter import Sample, is_break, require_duration


class RateLimit:
    """Keeps at most one reading in each `interval_us`, and every change of quality.

    Times between kept readings of one quality are at least `interval_us`, except before the last.
    """

    def __init__(self, interval_us: int) -> None:
        self._interval_us = require_duration(interval_us)
        self._sent: Sample | None = None
        self._held: Sample | None = None

    def feed(self, sample: Sample) -> Sequence[Sample]:
        """Return the reading if the interval since the last one sent has passed."""
        sent = self._sent
        is_early = sent is not None and sample.time_us - sent.time_us < self._interval_us
        if is_early and not (sent is not None and sample.status != sent.status):
            self._held = sample
            return ()
        self._sent, self._held = sample, None
        return (sample,)

    def flush(self) -> Sequence[Sample]:
        """Return the last reading if it was not sent."""
        held, self._held, self._sent = self._held, None, None
        return () if held is None else (held,)


class WindowMean:
    """Sends the mean of the readings of each window of `window_us`, at the window's start.

    Readings without a value and changes of quality end a window. `max_deviation` is the largest
    difference of a reading from the mean of its window so far.
    """

    def __init__(self, window_us: int) -> None:
        self._window_us = require_duration(window_us)
        self._first: Sample | None = None
        self._total = self._lowest = self._highest = 0.0
        self._count = 0
        self.max_deviation = 0.0

    def feed(self, sample: Sample) -> Sequence[Sample]:
        """Return the mean of the window that ended before this reading, if one did."""
        first = self._first
        if first is not None and not self._ends(first, sample):
            self._add(sample.value or 0.0)
            return ()
        ended = self.flush()
        if sample.value is None:
            return (*ended, sample)
        self._first = sample
        self._total, self._count = 0.0, 0
        self._lowest = self._highest = sample.value
        self._add(sample.value)
        return ended

    def flush(self) -> Sequence[Sample]:
        """Return the mean of the current window."""
        first, self._first = self._first, None
        if first is None:
            return ()
        # Rounding must not lead outside the readings' range.
        mean = min(max(self._total / self._count, self._lowest), self._highest)
        deviation = max(self._highest - mean, mean - self._lowest)
        self.max_deviation = max(self.max_deviation, deviation)
        start_us = first.time_us // self._window_us * self._window_us
        return (Sample(start_us, mean, first.status),)

    def _ends(self, first: Sample, sample: Sample) -> bool:
        """Whether a reading is outside the current window."""
        is_later = sample.time_us // self._window_us > first.time_us // self._window_us
        return is_later or is_break(first, sample)

    def _add(self, value: float) -> None:
        """Add a value to the current window."""
        self._total += value
        self._count += 1
        self._lowest, self._highest = min(self._lowest, value), max(self._highest, value)
