"""Thresholds of a score: what each would have cost on each part, and the cheapest one.

The counts of misses and false alarms by part and threshold do not depend on what they cost, so that
one table serves every ratio of costs and every choice of parts that are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.policies.warnings.history import Flags, Floats, MachineHistory, WarningTerms

Ints = NDArray[np.int64]

_CANDIDATES, _EVEN = 50, 20
_KERNEL = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
# Cells of a table of thresholds by ticks that are worked on at a time.
_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Threshold:
    """Warn if the score is above `value`. cost: on the histories that it was chosen on."""

    value: float
    cost: float


@dataclass(frozen=True, slots=True)
class Exposure:
    """Ticks without an event of each part, [parts], number of events, and mean length in ticks."""

    quiet: Ints
    events: int
    length: float

    def cost(self, false_alarms: Ints, terms: WarningTerms) -> Floats:
        """Return what one more event is expected to cost, [thresholds].

        false_alarms: [parts, thresholds]. Of n + 1 events that are alike, the one with the lowest
        score is the unseen one with probability 1 / (n + 1), so that n seen ones leave n / (n + 1)
        of a missed event. One that the score does not see is caught by chance, if the machine has
        a false alarm in the length of an event.
        """
        rates = false_alarms / np.maximum(self.quiet, 1)[:, np.newaxis]
        missed = np.exp(-rates * self.length).mean(axis=0) * self.events / (self.events + 1)
        return np.asarray(terms.miss * missed)


@dataclass(frozen=True, slots=True)
class ThresholdTable:
    """Counts of a score by part and threshold, [parts, thresholds].

    values: [thresholds], in order; the last one is below all scores and warns always.
    """

    values: Floats
    missed: Ints
    false_alarms: Ints

    def costs(self, terms: WarningTerms) -> Floats:
        """Return what each threshold costs on each part, [parts, thresholds]."""
        return np.asarray(self.missed * terms.miss + self.false_alarms * terms.false_alarm)

    def cheapest(
        self, terms: WarningTerms, parts: Flags | None = None, unseen: Exposure | None = None
    ) -> int:
        """Return the position of the cheapest threshold on parts; of equal ones the middle one.

        The cost is averaged over neighbours: a threshold that is good by the chance of one event
        has bad ones. Warning always is no chance find: its cost is not averaged. unseen: of the
        parts, if an event that is unlike those seen is to count (`unseen_cost`).
        """
        costs = self.expected(terms, parts, unseen)
        smooth = np.append(_smoothed(costs[:-1]), costs[-1])
        best = np.flatnonzero(smooth <= smooth.min())
        # The middle between the lowest and the highest of the best: with room to both sides.
        middle = (self.values[best].min() + self.values[best].max()) / 2
        return int(best[np.abs(self.values[best] - middle).argmin()])

    def expected(
        self, terms: WarningTerms, parts: Flags | None = None, unseen: Exposure | None = None
    ) -> Floats:
        """Return the cost of each threshold on parts, with that of an unseen event."""
        kept = slice(None) if parts is None else parts
        costs = np.asarray(self.costs(terms)[kept].sum(axis=0))
        if unseen is None:
            return costs
        return costs + unseen.cost(self.false_alarms[kept], terms)


def cheapest_threshold(
    scores: Sequence[Floats], histories: Sequence[MachineHistory], terms: WarningTerms
) -> Threshold:
    """Return the threshold with the lowest cost on histories. scores: [ticks] of each."""
    table = threshold_table(scores, histories, terms.hold)
    chosen = table.cheapest(terms)
    cost = float(table.costs(terms)[:, chosen].sum())
    return Threshold(float(table.values[chosen]), cost)


def exposure_of(histories: Sequence[MachineHistory]) -> Exposure:
    """Return the exposure of histories: their ticks after the normal ones, and their events."""
    lengths = [last - first + 1 for one in histories for first, last in one.events]
    quiet = [int((~one.in_event[one.normal :]).sum()) for one in histories]
    mean = sum(lengths) / len(lengths) if lengths else 0.0
    return Exposure(np.array(quiet), len(lengths), mean)


def threshold_table(
    scores: Sequence[Floats], histories: Sequence[MachineHistory], pause: int
) -> ThresholdTable:
    """Return the counts of warning above each threshold, with a pause after each warning.

    Thresholds are quantiles, dense where scores are high, and evenly spaced values.
    """
    pooled = np.concatenate(
        [score[history.normal :] for score, history in zip(scores, histories, strict=True)]
    )
    shares = 1.0 - np.concatenate([[0.0], np.geomspace(1 / len(pooled), 1.0, _CANDIDATES - 1)])
    even = np.linspace(pooled.min(), pooled.max(), _EVEN)
    values = np.unique([*np.quantile(pooled, np.clip(shares, 0.0, 1.0)), *even])
    values = np.append(values, float(values[0]) - 1.0)
    counts = [
        _counts(score, history, values, pause)
        for score, history in zip(scores, histories, strict=True)
    ]
    return ThresholdTable(
        values, np.array([one for one, _ in counts]), np.array([other for _, other in counts])
    )


def _counts(
    score: Floats, history: MachineHistory, values: Floats, pause: int
) -> tuple[Ints, Ints]:
    """Return missed events and false alarms by threshold, [thresholds] each."""
    size = max(1, _CELLS // history.ticks)
    found = [
        _count_some(score, history, values[first : first + size], pause)
        for first in range(0, len(values), size)
    ]
    missed, false = zip(*found, strict=True)
    return np.concatenate(missed), np.concatenate(false)


def _count_some(
    score: Floats, history: MachineHistory, values: Floats, pause: int
) -> tuple[Ints, Ints]:
    """Return the counts of some thresholds: each step is the next warning of all of them."""
    ticks, rows = history.ticks, np.arange(len(values))
    event_of = np.full(ticks, -1)
    for number, (first, last) in enumerate(history.events):
        event_of[first : last + 1] = number
    above = score[np.newaxis] > values[:, np.newaxis]
    at_or_after = np.where(above, np.arange(ticks), ticks)[:, ::-1]
    following = np.minimum.accumulate(at_or_after, axis=1)[:, ::-1]
    following = np.concatenate([following, np.full((len(values), 1), ticks)], axis=1)
    caught = np.zeros((len(values), len(history.events)), dtype=bool)
    false = np.zeros(len(values), dtype=np.int64)
    at = following[:, history.normal]
    while (warns := at < ticks).any():
        event = event_of[at[warns]]
        false[warns] += event < 0
        caught[rows[warns][event >= 0], event[event >= 0]] = True
        at = following[rows, np.minimum(at + pause, ticks)]
    return (~caught).sum(axis=1), false


def _smoothed(costs: Floats) -> Floats:
    """Return the costs averaged over neighbouring candidates, at the ends over fewer."""
    if len(costs) < len(_KERNEL):
        return costs
    weights = np.convolve(np.ones_like(costs), _KERNEL, mode="same")
    return np.asarray(np.convolve(costs, _KERNEL, mode="same") / weights)
