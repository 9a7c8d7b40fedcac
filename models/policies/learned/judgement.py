"""What a learned policy saves on decisions with known outcomes, and whether it must be taken back.

The history is cut into five parts of time. Each is judged by a policy that was learned from the
other four; the candidate is learned from all of them. Its shadow period has decisions that came
later, and the check after promotion those that the policy took.
"""

from dataclasses import dataclass

import numpy as np

from models.observed.resampling import ScoreInterval
from models.policies.bandits.logged import Indices
from models.policies.bandits.off_policy import MIN_DECISIONS, Evaluation, evaluate_policy
from models.policies.intervals import Floats, interval_of_mean
from models.policies.learned.decisions import KnownDecisions
from models.policies.learned.outcomes import ACTIONS
from models.policies.learned.policy import LearnedPolicy, fit_policy
from models.policies.learned.saving import saving_of
from models.policies.promotion import (
    Evidence,
    Promotion,
    Verdict,
    decide_promotion,
    must_roll_back,
)

_PARTS = 5
# Decisions with known outcome, and periods of them, from which a policy is learned at all.
MIN_KNOWN, MIN_PERIODS = 80, 20
# The same for the check of probabilities after promotion.
_MIN_WATCHED, _MIN_WATCHED_PERIODS = 30, 8
# The stated probability of a fault may be wrong by so much before a policy is taken back.
CALIBRATION_TOLERANCE = 0.1
_SEED = 23


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy with what policies learned alike would have saved per decision on other parts.

    off_policy: None without decisions that were drawn. periods, decisions: of the history.
    """

    policy: LearnedPolicy
    off_policy: Evaluation | None
    replay: ScoreInterval
    periods: int
    decisions: int

    @property
    def promotion(self) -> Promotion:
        """Whether it goes on to a shadow period."""
        return decide_promotion(self.evidence(None, 0))

    def evidence(self, shadow: ScoreInterval | None, decisions: int) -> Evidence:
        """Return the evidence, with that of a shadow period."""
        saving = None if self.off_policy is None else self.off_policy.saving
        effective = 0.0 if self.off_policy is None else self.off_policy.effective_decisions
        return Evidence(saving, effective, self.replay, shadow, decisions)


class TooFewDecisions(ValueError):
    """Too few decisions with known outcomes to learn a policy and to test it; the message says."""


def train_candidate(features: tuple[str, ...], known: KnownDecisions, scale: float) -> Candidate:
    """Learn a policy from the history, and judge each part by one learned from the others.

    scale: the cost of an unplanned stop. Raises TooFewDecisions.
    """
    if len(known) < MIN_KNOWN or known.periods < MIN_PERIODS:
        raise TooFewDecisions(
            f"{len(known)} of {MIN_KNOWN} decisions with known outcome, in {known.periods} of "
            f"{MIN_PERIODS} periods."
        )
    chosen = np.empty(len(known), dtype=np.intp)
    for rows in known.parts(_PARTS):
        others = known.take(np.setdiff1d(np.arange(len(known)), rows))
        part = known.take(rows)
        policy = fit_policy(features, others, scale)
        chosen[rows] = policy.choose(part.contexts, part.allowed, part.references)
    return Candidate(
        fit_policy(features, known, scale),
        _off_policy(known, chosen),
        saving_of(known, chosen),
        known.periods,
        len(known),
    )


def judge_shadow(evidence: Evidence) -> Promotion:
    """Return whether a policy is promoted after its shadow period, with reasons.

    Beside the comparisons of `decide_promotion`, the shadow period itself must show a saving.
    """
    promotion = decide_promotion(evidence)
    shadow = evidence.shadow
    if promotion.verdict is Verdict.PROMOTE and shadow is not None and shadow.value <= 0:
        return Promotion(Verdict.REJECT, ("shadow_not_better",))
    return promotion


@dataclass(frozen=True, slots=True)
class Watch:
    """What a promoted policy saved since then, how far its probabilities are off, and reasons.

    gap: stated minus observed probability of a fault. reasons: why it must be taken back, if so.
    """

    saving: ScoreInterval
    gap: ScoreInterval
    decisions: int
    reasons: tuple[str, ...]


def watch_policy(policy: LearnedPolicy, known: KnownDecisions) -> Watch:
    """Return whether a promoted policy costs more than the one before, or states wrong chances."""
    savings = known.costs_of(known.references) - known.costs_of(known.actions)
    saving = saving_of(known, known.actions)
    gaps = policy.fault_probabilities(known.contexts) - known.faults
    gap = interval_of_mean(known.means_by_period(gaps), _SEED)
    reasons = []
    if saving.high < 0 and must_roll_back(known.means_by_period(savings)):
        reasons.append("cost_worse")
    if _is_off(gap, known):
        reasons.append("calibration_broken")
    return Watch(saving, gap, len(known), tuple(reasons))


def _is_off(gap: ScoreInterval, known: KnownDecisions) -> bool:
    """Return whether probabilities are off by more than the tolerance, beyond chance."""
    if len(known) < _MIN_WATCHED or known.periods < _MIN_WATCHED_PERIODS:
        return False
    return gap.low > CALIBRATION_TOLERANCE or gap.high < -CALIBRATION_TOLERANCE


def _off_policy(known: KnownDecisions, chosen: Indices) -> Evaluation | None:
    """Return the off-policy evaluation, None without decisions that were drawn."""
    if not known.has_alternatives or len(known) < MIN_DECISIONS:
        return None
    wanted: Floats = np.zeros((len(known), len(ACTIONS)))
    wanted[np.arange(len(known)), chosen] = 1.0
    block = max(1, len(known) // known.periods)
    return evaluate_policy(known.logged(), lambda _: wanted, len(ACTIONS), block)
