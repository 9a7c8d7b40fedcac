"""Deadband: send a reading when it differs from the last one sent by more than the bound.

Restored by holding the last value sent, each value differs from the original by at most `bound`.
"""

from collections.abc import Sequence

from gateway.plant.readings.filtering.filter import Sample, is_break, require_bound


class Deadband:
    """Keeps readings that leave the band of ± `bound` around the last one sent.

    `max_silence_us` sends a reading at the latest after this time, so that silence can be told from
    a lost connection; None: never.
    """

    def __init__(self, bound: float, max_silence_us: int | None = None) -> None:
        self._bound = require_bound(bound)
        self._max_silence_us = max_silence_us
        self._sent: Sample | None = None
        self._held: Sample | None = None

    def feed(self, sample: Sample) -> Sequence[Sample]:
        """Return the reading if it is to be sent."""
        sent = self._sent
        if sent is not None and not self._leaves(sent, sample):
            self._held = sample
            return ()
        self._sent, self._held = sample, None
        return (sample,)

    def flush(self) -> Sequence[Sample]:
        """Return the last reading if it was not sent."""
        held, self._held, self._sent = self._held, None, None
        return () if held is None else (held,)

    def _leaves(self, sent: Sample, sample: Sample) -> bool:
        """Whether a reading is to be sent after the last one sent."""
        if is_break(sent, sample) or sample.value is None or sent.value is None:
            return sample.value != sent.value or sample.status != sent.status
        is_due = (
            self._max_silence_us is not None
            and sample.time_us - sent.time_us >= self._max_silence_us
        )
        return is_due or abs(sample.value - sent.value) > self._bound


class ReportByException:
    """Keeps each reading whose value or quality differs from the one before it; loses nothing."""

    def __init__(self) -> None:
        self._last: Sample | None = None
        self._held: Sample | None = None

    def feed(self, sample: Sample) -> Sequence[Sample]:
        """Return the reading if it differs from the last one."""
        last = self._last
        if last is not None and (last.value, last.status) == (sample.value, sample.status):
            self._held = sample
            return ()
        self._last, self._held = sample, None
        return (sample,)

    def flush(self) -> Sequence[Sample]:
        """Return the last reading if it was not sent."""
        held, self._held, self._last = self._held, None, None
        return () if held is None else (held,)


class Midrange:
    """Keeps one reading for each run of readings that lie within a band of twice the bound.

    The value sent is the middle of the run's lowest and highest, at the time of its first reading
    (PMC-MR, Lazaridis and Mehrotra, ICDE 2003). Restored by holding the last value sent, each value
    differs from the original by at most `bound`. A run is sent when it ends, or after `max_run_us`.
    """

    def __init__(self, bound: float, max_run_us: int | None = None) -> None:
        self._bound = require_bound(bound)
        self._max_run_us = max_run_us
        self._first: Sample | None = None
        self._lowest = self._highest = 0.0

    def feed(self, sample: Sample) -> Sequence[Sample]:
        """Return the run that ended before this reading, if one did."""
        first, value = self._first, sample.value
        if first is not None and value is not None and self._contains(first, sample, value):
            self._lowest, self._highest = min(self._lowest, value), max(self._highest, value)
            return ()
        ended = self.flush()
        if value is None:
            return (*ended, sample)
        self._first, self._lowest, self._highest = sample, value, value
        return ended

    def flush(self) -> Sequence[Sample]:
        """Return the current run."""
        first, self._first = self._first, None
        if first is None:
            return ()
        middle = self._lowest + (self._highest - self._lowest) / 2
        return (Sample(first.time_us, middle, first.status),)

    def _contains(self, first: Sample, sample: Sample, value: float) -> bool:
        """Whether a reading belongs to the run of the first one."""
        if is_break(first, sample):
            return False
        if self._max_run_us is not None and sample.time_us - first.time_us >= self._max_run_us:
            return False
        return max(self._highest, value) - min(self._lowest, value) <= 2 * self._bound
