"""The history of a machine: readings, and the times at which a warning would have been right."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class HistoryInvalid(ValueError):
    """A history from which nothing can be learned; the message says why."""


@dataclass(frozen=True, slots=True)
class WarningTerms:
    """Costs in one currency, and how long a warning holds.

    miss: of an event without a warning. false_alarm: of a warning without an event. hold: ticks for
    which a warning holds; the next one can come after them.
    """

    miss: float
    false_alarm: float
    hold: int

    def __post_init__(self) -> None:
        """Raise HistoryInvalid unless costs and time are above 0."""
        if not (0 < self.miss < np.inf and 0 < self.false_alarm < np.inf and self.hold >= 1):
            raise HistoryInvalid("Costs must be above 0, and a warning must hold for a tick.")

    def costs(self, counts: NDArray[np.int64]) -> Floats:
        """Return what missed events and false alarms cost, [parts]; counts: [parts, 2]."""
        return np.asarray(counts @ np.array([self.miss, self.false_alarm]))


@dataclass(frozen=True, slots=True)
class MachineHistory:
    """Readings at a constant rate, [ticks, sensors], and the events in order.

    events: first and last tick at which a warning of the event is right. normal: the first so many
    ticks are of normal operation; they are the reference, and no warnings are given in them.
    """

    name: str
    readings: Floats
    events: tuple[tuple[int, int], ...]
    normal: int

    def __post_init__(self) -> None:
        """Raise HistoryInvalid for readings that are missing and events that are out of order."""
        if not np.isfinite(self.readings).all():
            raise HistoryInvalid(f"`{self.name}` has ticks without a reading.")
        if not 2 <= self.normal < len(self.readings):
            raise HistoryInvalid(f"`{self.name}` needs normal ticks, and ticks after them.")
        ends = [tick for event in self.events for tick in event]
        if ends != sorted(ends) or (ends and not self.normal <= ends[0] <= ends[-1] < self.ticks):
            raise HistoryInvalid(f"Events of `{self.name}` overlap or lie outside its ticks.")

    @property
    def ticks(self) -> int:
        """The number of ticks."""
        return len(self.readings)

    @property
    def in_event(self) -> Flags:
        """Whether a warning at each tick would be right, [ticks]."""
        flags = np.zeros(self.ticks, dtype=bool)
        for first, last in self.events:
            flags[first : last + 1] = True
        return flags
