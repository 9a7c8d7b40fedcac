"""Learn when to warn: several scores compete by their cost on histories that they have not seen.

With enough events, boosted trees on the features of all sensors give the score. With few, charts
and single sensors compete, of which labels set the threshold only. Each is scored on histories, or
on parts of one, that were left out of its fit, and the cheapest one there is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import lightgbm as lgb
import numpy as np

from models.policies.warnings.chart import chart_score
from models.policies.warnings.features import tick_features
from models.policies.warnings.history import (
    Flags,
    Floats,
    HistoryInvalid,
    MachineHistory,
    WarningTerms,
)
from models.policies.warnings.replay import WarningResult, replay_warnings
from models.policies.warnings.single_sensor import fit_single_sensor
from models.policies.warnings.thresholds import Threshold, cheapest_threshold

Score = Callable[[MachineHistory], Floats]
"""Returns a number for each tick of a history, higher where a failure is more likely."""

FitScore = Callable[[Sequence[MachineHistory]], Score]

_FOLDS = 5
# Trees are taken from this many events on: the cost on left-out parts then says less about which
# candidate is best than that trees use all sensors and labels. With fewer they are not fitted.
_MIN_EVENTS_OF_TREES = 8
_MEMORIES = (5.0, 20.0, 60.0)
_SEED = 7
_TREES = {
    "objective": "binary",
    "num_leaves": 8,
    "min_data_in_leaf": 40,
    "learning_rate": 0.08,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "verbosity": -1,
    "num_threads": 1,
    "seed": _SEED,
    "deterministic": True,
}
_ROUNDS = 80
_BAGS = 8


@dataclass(frozen=True, slots=True)
class WarningPolicy:
    """Warn if a score is above a threshold. cost: measured on what its fits had not seen."""

    name: str
    score: Score
    threshold: Threshold

    def wants(self, history: MachineHistory) -> Flags:
        """Return where the policy warns, [ticks]."""
        return np.asarray(self.score(history) > self.threshold.value)

    def replay(self, history: MachineHistory, terms: WarningTerms) -> WarningResult:
        """Return the result on a history."""
        return replay_warnings(self.wants(history), history, terms.hold)


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """A candidate fitted on all histories, and its scores by fits that had not seen them.

    scores: [ticks] of each history. It does not depend on the costs of errors.
    """

    name: str
    score: Score
    scores: tuple[Floats, ...]

    def policy(self, histories: Sequence[MachineHistory], terms: WarningTerms) -> WarningPolicy:
        """Return the candidate with the threshold that is cheapest on left-out scores."""
        threshold = cheapest_threshold(self.scores, histories, terms)
        return WarningPolicy(self.name, self.score, threshold)


def learn_warnings(histories: Sequence[MachineHistory], terms: WarningTerms) -> WarningPolicy:
    """Return the policy with the lowest cost on left-out histories. Raises HistoryInvalid."""
    return choose_policy(fit_candidates(histories), histories, terms)


def fit_candidates(histories: Sequence[MachineHistory]) -> tuple[CrossFitted, ...]:
    """Return the candidates that do not depend on costs. Raises HistoryInvalid without events."""
    if not any(history.events for history in histories):
        raise HistoryInvalid("The histories have no event to learn from.")
    if sum(len(history.events) for history in histories) >= _MIN_EVENTS_OF_TREES:
        return (_cross_fitted("trees", _fit_trees, histories),)
    return tuple(
        _cross_fitted(f"chart, memory {memory:g}", _chart(memory), histories)
        for memory in _MEMORIES
    )


def choose_policy(
    candidates: Sequence[CrossFitted], histories: Sequence[MachineHistory], terms: WarningTerms
) -> WarningPolicy:
    """Return the cheapest candidate on left-out scores; of equal ones the first.

    Where trees are not fitted, the best single sensor competes as well.
    """
    fitted = list(candidates)
    if sum(len(history.events) for history in histories) < _MIN_EVENTS_OF_TREES:
        fitted.append(_cross_fitted("single sensor", _single_sensor(terms), histories))
    policies = [one.policy(histories, terms) for one in fitted]
    return min(policies, key=lambda policy: policy.threshold.cost)


def _chart(memory: float) -> FitScore:
    """Return a chart, which is fitted on the normal ticks of each history alone."""
    return lambda _: partial(chart_score, memory=memory)


def _cross_fitted(name: str, fit: FitScore, histories: Sequence[MachineHistory]) -> CrossFitted:
    """Return a candidate fitted on all histories, with scores of fits that left them out."""
    scores: list[Floats] = [np.zeros(history.ticks) for history in histories]
    for kept, left_out, rows in _folds(histories):
        score = fit(kept)
        for index in left_out:
            scores[index][rows] = score(histories[index])[rows]
    return CrossFitted(name, fit(histories), tuple(scores))


def _folds(
    histories: Sequence[MachineHistory],
) -> list[tuple[list[MachineHistory], list[int], slice]]:
    """Return what each fit keeps, which histories are scored by it, and in which ticks.

    Several histories are left out in turn; a single one is left out from one event to the next.
    """
    if len(histories) > 1:
        parts = np.array_split(np.arange(len(histories)), min(_FOLDS, len(histories)))
        return [
            (
                [history for index, history in enumerate(histories) if index not in part],
                [int(index) for index in part],
                slice(None),
            )
            for part in parts
        ]
    (history,) = histories
    ends = [(one[1] + other[0]) // 2 for one, other in pairwise(history.events)]
    limits = [0, *ends, history.ticks]
    return [
        ([_without(history, first, last)], [0], slice(first, last))
        for first, last in pairwise(limits)
    ]


def _without(history: MachineHistory, first: int, last: int) -> MachineHistory:
    """Return a history without the ticks from `first` to `last`, and without their events."""
    kept = np.ones(history.ticks, dtype=bool)
    kept[max(first, history.normal) : last] = False
    position = np.cumsum(kept) - 1
    events = tuple(
        (int(position[one]), int(position[other]))
        for one, other in history.events
        if kept[one] and kept[other]
    )
    if kept.sum() <= history.normal:
        return history
    return replace(history, readings=history.readings[kept], events=events)


def _fit_trees(histories: Sequence[MachineHistory]) -> Score:
    """Return the probability that a warning is right, by boosted trees on all features."""
    features = [tick_features(one)[one.normal :] for one in histories]
    truth = [one.in_event[one.normal :].astype(np.float64) for one in histories]
    random = np.random.default_rng(_SEED)
    boosters = []
    for _ in range(_BAGS):
        drawn = _drawn(len(histories), random)
        data = lgb.Dataset(
            np.concatenate([features[one] for one in drawn]),
            np.concatenate([truth[one] for one in drawn]),
        )
        boosters.append(lgb.train(dict(_TREES), data, num_boost_round=_ROUNDS))

    def score(history: MachineHistory) -> Floats:
        found = tick_features(history)
        margins = [np.asarray(one.predict(found, raw_score=True)) for one in boosters]
        return np.asarray(np.mean(margins, axis=0), dtype=np.float64)

    return score


def _drawn(count: int, random: np.random.Generator) -> list[int]:
    """Return two thirds of the histories, at least one; a single one is taken whole."""
    return sorted(int(one) for one in random.permutation(count)[: max(1, -(-count * 2 // 3))])


def _single_sensor(terms: WarningTerms) -> FitScore:
    """Return how the sensor with the lowest cost is chosen; its reading is the score."""

    def fit(histories: Sequence[MachineHistory]) -> Score:
        rule = fit_single_sensor(histories, terms)
        return lambda history: np.asarray(rule.sign * history.readings[:, rule.sensor])

    return fit
