"""Replay of warnings on a history: which events were caught, and what the errors cost."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.policies.warnings.history import Flags, MachineHistory, WarningTerms


@dataclass(frozen=True, slots=True)
class WarningResult:
    """Counts of a replay. ticks: after the normal ones, those that could warn."""

    caught: int = 0
    missed: int = 0
    false_alarms: int = 0
    ticks: int = 0

    def __add__(self, other: "WarningResult") -> "WarningResult":
        """Return the counts of two replays together."""
        return WarningResult(
            self.caught + other.caught,
            self.missed + other.missed,
            self.false_alarms + other.false_alarms,
            self.ticks + other.ticks,
        )

    def cost(self, terms: WarningTerms) -> float:
        """Return what misses and false alarms cost."""
        return self.missed * terms.miss + self.false_alarms * terms.false_alarm


def replay_warnings(wanted: Flags, history: MachineHistory, hold: int) -> WarningResult:
    """Return the result of warning where `wanted`, [ticks], with a pause of `hold` ticks each.

    An event is caught by a warning at one of its ticks. A warning outside all events is a false
    alarm. One that still holds when an event begins does not catch it.
    """
    warned = warning_ticks(wanted, history.normal, hold)
    firsts = np.array([first for first, _ in history.events], dtype=np.intp)
    lasts = np.array([last for _, last in history.events], dtype=np.intp)
    nearest = np.searchsorted(firsts, warned, side="right") - 1
    right = (nearest >= 0) & (warned <= lasts[nearest]) if len(firsts) else warned < 0
    caught = len(np.unique(nearest[right]))
    return WarningResult(
        caught, len(firsts) - caught, int((~right).sum()), history.ticks - history.normal
    )


def replay_blocks(wanted: Flags, history: MachineHistory, hold: int) -> list[WarningResult]:
    """Return the result by block: one for each event, from the middle between two events on.

    The sum of the blocks is the result of `replay_warnings`.
    """
    warned = warning_ticks(wanted, history.normal, hold)
    middles = [(one[1] + other[0]) // 2 + 1 for one, other in pairwise(history.events)]
    limits = [history.normal, *middles, history.ticks]
    found = []
    for number, (start, end) in enumerate(pairwise(limits)):
        inside = warned[(warned >= start) & (warned < end)]
        if not history.events:
            found.append(WarningResult(0, 0, len(inside), end - start))
            continue
        first, last = history.events[number]
        right = (inside >= first) & (inside <= last)
        caught = int(right.any())
        found.append(WarningResult(caught, 1 - caught, int((~right).sum()), end - start))
    return found


def warning_ticks(
    wanted: Flags, start: int, hold: int
) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the ticks from `start` on at which warnings are given."""
    candidates, ticks, free_from = np.flatnonzero(wanted), [], start
    while (position := int(np.searchsorted(candidates, free_from))) < len(candidates):
        ticks.append(int(candidates[position]))
        free_from = ticks[-1] + hold
    return np.array(ticks, dtype=np.intp)
