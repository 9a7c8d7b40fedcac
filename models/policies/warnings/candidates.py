"""Rules that compete: scores with their thresholds, each measured on parts it was not fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.policies.warnings.features import average, tick_features
from models.policies.warnings.history import (
    Flags,
    Floats,
    HistoryInvalid,
    MachineHistory,
    WarningTerms,
)
from models.policies.warnings.parts import Part, folds_of, kept_histories, parts_of
from models.policies.warnings.scores import (
    ChartScore,
    ConstantScore,
    Score,
    SensorScore,
)
from models.policies.warnings.thresholds import (
    Exposure,
    ThresholdTable,
    exposure_of,
    threshold_table,
)
from models.policies.warnings.trees import fit_trees

Counts = NDArray[np.int64]
"""Missed events and false alarms by part, [parts, 2]."""

FIXED = "single sensor"
NEVER = "never or always"
# Trees are fitted from this many events on: with fewer they differ more by chance than they gain.
MIN_EVENTS_OF_TREES = 15
_CHART_MEMORIES = (5.0, 20.0, 60.0)
_TREE_MEMORIES = (1, 5, 20)
# The pause after a warning, in holds: a longer one gives fewer warnings of one situation. It must
# fit twice into an event, which it would hide otherwise after a false alarm just before.
_PAUSES = (1, 3)


@dataclass(frozen=True, slots=True)
class Member:
    """A score with a pause after its warnings, in ticks, and its counts on left-out parts.

    scores: of each part, by fits that had not seen it.
    """

    score: Score
    pause: int
    table: ThresholdTable
    scores: tuple[Floats, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A member with a threshold, by positions. cost: on the parts that they were chosen on."""

    member: int
    threshold: int
    cost: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind of rule with its members, of which the cheapest on given parts is taken."""

    name: str
    members: tuple[Member, ...]

    def choose(self, terms: WarningTerms, parts: Flags, exposure: Exposure) -> Chosen:
        """Return the member and threshold with the lowest cost on parts, [parts].

        Learned rules count an unseen event as well; the fixed limit is the usual one, without.
        """
        unseen = None if self.name == FIXED else exposure
        found = []
        for index, member in enumerate(self.members):
            at = member.table.cheapest(terms, parts, unseen)
            cost = float(member.table.expected(terms, parts, unseen)[at])
            found.append(Chosen(index, at, cost))
        return min(found, key=lambda one: one.cost)

    def counts(self, chosen: Chosen) -> Counts:
        """Return the counts of a choice on each part."""
        table, at = self.members[chosen.member].table, chosen.threshold
        return np.stack([table.missed[:, at], table.false_alarms[:, at]], axis=1)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rules that compete, and the parts on which they are measured. FIXED is the first."""

    rules: tuple[Candidate, ...]
    parts: tuple[Part, ...]

    def choose(self, one: Candidate, terms: WarningTerms, kept: Flags) -> Chosen:
        """Return the member and threshold of a candidate by some parts, [parts]."""
        histories = [part.history for part, taken in zip(self.parts, kept, strict=True) if taken]
        return one.choose(terms, kept, exposure_of(histories))

    def find(self, name: str) -> Candidate:
        """Return the candidate with a name."""
        return next(one for one in self.rules if one.name == name)


def fit_candidates(histories: Sequence[MachineHistory], hold: int) -> Candidates:
    """Return the candidates, which do not depend on costs. Raises HistoryInvalid without events."""
    if not any(history.events for history in histories):
        raise HistoryInvalid("The histories have no event to learn from.")
    parts = parts_of(histories)
    sensors = histories[0].readings.shape[1]
    singles = [SensorScore(sensor, sign) for sensor in range(sensors) for sign in (1, -1)]
    found = [
        _candidate(FIXED, singles, histories, parts, (hold,)),
        _candidate(NEVER, [ConstantScore()], histories, parts, (hold,)),
    ]
    pauses = _pauses(hold, exposure_of(histories).length)
    events = sum(len(history.events) for history in histories)
    charts = [ChartScore(memory) for memory in _CHART_MEMORIES]
    found.append(_candidate("chart", charts, histories, parts, pauses))
    if events >= MIN_EVENTS_OF_TREES:
        found.append(_trees(histories, parts, pauses))
    return Candidates(tuple(found), parts)


def _pauses(hold: int, length: float) -> tuple[int, ...]:
    """Return the pauses that compete, in ticks. length: of an event."""
    return tuple(hold * times for times in _PAUSES if times == 1 or 2 * hold * times <= length)


def _candidate(
    name: str,
    scores: Sequence[Score],
    histories: Sequence[MachineHistory],
    parts: Sequence[Part],
    pauses: Sequence[int],
) -> Candidate:
    """Return a candidate whose scores learn nothing from events."""
    members = []
    for score in scores:
        found = [score.of(history) for history in histories]
        members += _members(score, [part.cut(found[part.source]) for part in parts], parts, pauses)
    return Candidate(name, tuple(members))


def _members(
    score: Score, scores: Sequence[Floats], parts: Sequence[Part], pauses: Sequence[int]
) -> list[Member]:
    """Return a score with each pause."""
    histories = [part.history for part in parts]
    return [
        Member(score, pause, threshold_table(scores, histories, pause), tuple(scores))
        for pause in pauses
    ]


def _trees(
    histories: Sequence[MachineHistory], parts: Sequence[Part], pauses: Sequence[int]
) -> Candidate:
    """Return boosted trees, each part scored by trees that were fitted without its fold."""
    features = [tick_features(history) for history in histories]
    margins: list[Floats] = [np.zeros(0)] * len(parts)
    for fold in np.unique(folds_of(parts)):
        kept = kept_histories(histories, parts, int(fold))
        fitted = fit_trees(kept)
        for index, part in enumerate(parts):
            if part.fold == fold:
                margins[index] = part.cut(fitted.margins(features[part.source]))
    score = fit_trees(histories)
    members: list[Member] = []
    for memory in _TREE_MEMORIES:
        smooth = [average(one[:, np.newaxis], memory)[:, 0] for one in margins]
        members += _members(replace(score, memory=memory), smooth, parts, pauses)
    return Candidate("trees", tuple(members))
