"""Train a warning rule and measure it against the fixed limit on the best single sensor."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.observed.resampling import ScoreInterval
from models.policies.intervals import interval_of_ratio
from models.policies.warnings.calibration import calibrate
from models.policies.warnings.candidates import FIXED, NEVER, Candidates, Counts, fit_candidates
from models.policies.warnings.history import MachineHistory, WarningTerms
from models.policies.warnings.learned import WarningPolicy
from models.policies.warnings.parts import folds_of
from models.policies.warnings.rule import WarningRule
from models.policies.warnings.selection import measure_candidates, measure_selection, select

_SEED = 23
# The range that the training has seen is widened by this share of it.
_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """Counts and cost of a rule on left-out parts."""

    missed: int
    false_alarms: int
    cost: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The learned rule against the fixed limit, both on parts that they were not chosen on.

    saving: share of the fixed limit's cost, with its interval over parts. ticks: that could warn.
    """

    kind: str
    events: int
    folds: int
    ticks: int
    learned: Measured
    fixed: Measured
    never: float
    candidates: tuple[tuple[str, float], ...]
    saving: ScoreInterval

    @property
    def is_better(self) -> bool:
        """Whether another rule than the fixed limit was chosen, and cost less than it."""
        return self.kind not in (FIXED, NEVER) and self.learned.cost < self.fixed.cost


@dataclass(frozen=True, slots=True)
class TrainedRule:
    """A rule for operation with its evaluation, and the fixed limit that it was compared with."""

    rule: WarningRule
    fixed: WarningPolicy
    evaluation: Evaluation


def train_rule(
    histories: Sequence[MachineHistory], sensors: Sequence[str], terms: WarningTerms
) -> TrainedRule:
    """Return the rule for the machine of the last history. Raises HistoryInvalid without events."""
    found = fit_candidates(histories, terms.hold)
    selected = select(found, terms)
    member = selected.member
    policy = WarningPolicy(selected.candidate.name, member.score, selected.threshold, member.pause)
    parts = [part.history for part in found.parts]
    seen = np.concatenate([history.readings for history in histories])
    low, high = seen.min(axis=0), seen.max(axis=0)
    room = _MARGIN * (high - low)
    rule = WarningRule(
        sensors=tuple(sensors),
        policy=policy,
        calibration=calibrate(member.scores, parts, terms.hold),
        normal=histories[-1].readings[: histories[-1].normal],
        low=low - room,
        high=high + room,
    )
    return TrainedRule(rule, _fixed(found, terms), _evaluation(found, policy.name, terms))


def _fixed(found: Candidates, terms: WarningTerms) -> WarningPolicy:
    """Return the fixed limit on the best single sensor."""
    candidate = found.find(FIXED)
    chosen = found.choose(candidate, terms, np.ones(len(found.parts), dtype=bool))
    member = candidate.members[chosen.member]
    value = float(member.table.values[chosen.threshold])
    return WarningPolicy(FIXED, member.score, value, member.pause)


def _evaluation(found: Candidates, kind: str, terms: WarningTerms) -> Evaluation:
    """Return the left-out figures."""
    by_name = measure_candidates(found, terms)
    learned, fixed = measure_selection(found, terms), by_name[FIXED]
    events = sum(len(part.history.events) for part in found.parts)
    costs, usual = terms.costs(learned), terms.costs(fixed)
    return Evaluation(
        kind=kind,
        events=events,
        folds=len(np.unique(folds_of(found.parts))),
        ticks=sum(part.history.ticks - part.history.normal for part in found.parts),
        learned=_measured(learned, terms),
        fixed=_measured(fixed, terms),
        never=events * terms.miss,
        candidates=tuple((name, float(terms.costs(one).sum())) for name, one in by_name.items()),
        saving=_saving(costs.sum(), usual.sum(), interval_of_ratio(costs, usual, _SEED))
        if usual.sum()
        else ScoreInterval(0.0, -np.inf, np.inf),
    )


def _saving(cost: float, usual: float, ratio: ScoreInterval) -> ScoreInterval:
    """Return 1 - cost / usual with the bounds of the ratio."""
    return ScoreInterval(1.0 - float(cost / usual), 1.0 - ratio.high, 1.0 - ratio.low)


def _measured(counts: Counts, terms: WarningTerms) -> Measured:
    """Return the sums over parts."""
    missed, false = (int(one) for one in counts.sum(axis=0))
    return Measured(missed, false, float(terms.costs(counts).sum()))
