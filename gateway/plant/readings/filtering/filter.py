"""Interface of filters: a stream of readings of one point in, fewer readings out.

A filter holds a bounded number of readings. `flush` ends the stream, so that its last reading is
never lost. How a consumer restores the values between the kept readings, and how far they are then
from the original ones, is stated by each filter.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.plant.readings.quality import GOOD


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading: time in microseconds, value (None without one) and OPC UA status."""

    time_us: int
    value: float | None
    status: int = GOOD


class ReadingFilter(Protocol):
    """Reduces the readings of one point, which come in order of time."""

    def feed(self, sample: Sample) -> Sequence[Sample]:
        """Return the readings to send now, before or at this one, in order of time."""
        ...

    def flush(self) -> Sequence[Sample]:
        """Return the readings that were held back; the filter can then be fed again."""
        ...


def apply(chosen: ReadingFilter, samples: Iterable[Sample]) -> Iterator[Sample]:
    """Yield the readings that a filter keeps of a whole series."""
    for sample in samples:
        yield from chosen.feed(sample)
    yield from chosen.flush()


def is_break(before: Sample | None, sample: Sample) -> bool:
    """Whether a reading must be sent: the first one, another quality, or without a value."""
    return before is None or sample.status != before.status or sample.value is None


def require_bound(bound: float) -> float:
    """Return an error bound. Raises ValueError unless it is positive and finite."""
    if not 0 < bound < float("inf"):
        raise ValueError("the bound of a filter must be positive")
    return bound


def require_duration(duration_us: int) -> int:
    """Return a duration in microseconds. Raises ValueError unless it is positive."""
    if duration_us <= 0:
        raise ValueError("the duration of a filter must be positive")
    return duration_us
