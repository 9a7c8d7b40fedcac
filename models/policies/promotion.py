"""Whether a learned policy may replace the current one, and whether it must be taken back.

A policy is promoted if three things agree: off-policy evaluation on logged decisions, replay on the
account's history, and a shadow period in which it decided without acting. After that, its actual
cost is compared with what the earlier policy would have cost, and it is taken back as soon as it is
worse with the stated confidence.
"""

from dataclasses import dataclass
from enum import StrEnum

from models.observed.resampling import ScoreInterval
from models.policies.intervals import Floats, interval_of_mean

MIN_SHADOW_DECISIONS = 30
MIN_EFFECTIVE_DECISIONS = 30
_SEED = 17


class Verdict(StrEnum):
    """What happens to a policy."""

    PROMOTE = "promote"
    KEEP_SHADOW = "keep_shadow"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Savings per decision with their intervals, None for what has not been measured.

    A rule without logged alternatives has no off-policy evaluation; replay takes its place.
    """

    off_policy: ScoreInterval | None
    effective_decisions: float
    replay: ScoreInterval
    shadow: ScoreInterval | None
    shadow_decisions: int


@dataclass(frozen=True, slots=True)
class Promotion:
    """A verdict with the reasons for it, one code each."""

    verdict: Verdict
    reasons: tuple[str, ...]


def decide_promotion(evidence: Evidence) -> Promotion:
    """Return whether the policy is promoted; reasons name what failed or is missing."""
    failed = [
        name
        for name, interval in (
            ("off_policy_not_better", evidence.off_policy),
            ("replay_not_better", evidence.replay),
        )
        if interval is not None and interval.low <= 0
    ]
    if evidence.shadow is not None and evidence.shadow.high < 0:
        failed.append("shadow_worse")
    if failed:
        return Promotion(Verdict.REJECT, tuple(failed))
    missing = _missing(evidence)
    return Promotion(Verdict.KEEP_SHADOW if missing else Verdict.PROMOTE, missing)


def must_roll_back(savings: Floats) -> bool:
    """Return whether a promoted policy is worse than the one before it.

    savings: by block of decisions since the promotion, [blocks]; negative where it cost more.
    """
    return len(savings) > 1 and interval_of_mean(savings, _SEED).high < 0


def _missing(evidence: Evidence) -> tuple[str, ...]:
    """Return what must still be measured."""
    missing = []
    if evidence.off_policy and evidence.effective_decisions < MIN_EFFECTIVE_DECISIONS:
        missing.append("too_few_effective_decisions")
    if evidence.shadow is None or evidence.shadow_decisions < MIN_SHADOW_DECISIONS:
        missing.append("shadow_too_short")
    return tuple(missing)
