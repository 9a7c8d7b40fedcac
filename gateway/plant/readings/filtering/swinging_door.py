"""Swinging door: straight lines within the bound (swing filter, Elmeleegy et al., VLDB 2009).

Restored by linear interpolation between the readings sent, each value differs from the original by
at most `bound`. From the last reading sent, a door opens between the steepest and the flattest line
that pass all readings since within the bound. When the next reading closes the door, the line
nearest to that reading is chosen, and its point at the last reading's time is sent.

The classic algorithm (Bristol, US patent 4,669,097) sends the last reading itself, whose line may
miss an earlier reading by up to twice the bound. Here sent values may differ from the readings, by
at most the bound.
"""

import math
from collections.abc import Sequence

from gateway.plant.readings.filtering.filter import Sample, is_break, require_bound


class SwingingDoor:
    """Keeps the end points of connected lines that pass all readings within ± `bound`.

    `max_length_us` limits the length of a line, and with it the delay of a reading.
    """

    def __init__(self, bound: float, max_length_us: int | None = None) -> None:
        self._bound = require_bound(bound)
        self._max_length_us = max_length_us
        self._start: Sample | None = None
        self._end: Sample | None = None
        self._steepest, self._flattest = math.inf, -math.inf

    def feed(self, sample: Sample) -> Sequence[Sample]:
        """Return the end of the line that cannot reach this reading, and what breaks a line."""
        start, end = self._start, self._end
        if start is None or start.value is None or is_break(end or start, sample):
            ended = self.flush()
            self._start = sample
            return (*ended, sample)
        if sample.time_us <= (end or start).time_us:
            return ()  # a second reading of one time cannot be on a line
        if end is None or self._reaches(start, sample):
            self._extend(start, sample)
            return ()
        ended_at = self._end_point(start, end, sample)
        self._start, self._steepest, self._flattest = ended_at, math.inf, -math.inf
        self._extend(ended_at, sample)
        return (ended_at,)

    def flush(self) -> Sequence[Sample]:
        """Return the end of the current line."""
        start, end = self._start, self._end
        ended = () if start is None or end is None else (self._end_point(start, end, end),)
        self._start = self._end = None
        self._steepest, self._flattest = math.inf, -math.inf
        return ended

    def _slopes(self, start: Sample, sample: Sample) -> tuple[float, float]:
        """Return the flattest and steepest line to a reading, narrowed by the door."""
        length = sample.time_us - start.time_us
        rise = (sample.value or 0.0) - (start.value or 0.0)
        flattest, steepest = (rise - self._bound) / length, (rise + self._bound) / length
        return max(self._flattest, flattest), min(self._steepest, steepest)

    def _reaches(self, start: Sample, sample: Sample) -> bool:
        """Whether a line passes all readings since the start and this one within the bound."""
        length = sample.time_us - start.time_us
        if self._max_length_us is not None and length > self._max_length_us:
            return False
        flattest, steepest = self._slopes(start, sample)
        return flattest <= steepest

    def _extend(self, start: Sample, sample: Sample) -> None:
        """Make a reading the end of the line, and narrow the door to lines that pass it."""
        self._flattest, self._steepest = self._slopes(start, sample)
        self._end = sample

    def _end_point(self, start: Sample, end: Sample, aim: Sample) -> Sample:
        """Return the point at the end's time of the line that comes nearest to a reading."""
        slope = ((aim.value or 0.0) - (start.value or 0.0)) / (aim.time_us - start.time_us)
        slope = min(max(slope, self._flattest), self._steepest)
        value = (start.value or 0.0) + slope * (end.time_us - start.time_us)
        return Sample(end.time_us, value, end.status)
