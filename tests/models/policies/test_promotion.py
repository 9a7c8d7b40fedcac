"""Promotion needs off-policy evaluation, replay and a shadow period; worse policies go back."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.observed.resampling import ScoreInterval
from models.policies.intervals import interval_of_mean, interval_of_ratio
from models.policies.promotion import Evidence, Verdict, decide_promotion, must_roll_back

GOOD, UNSURE, BAD = (
    ScoreInterval(1.0, 0.5, 1.5),
    ScoreInterval(0.2, -0.1, 0.5),
    ScoreInterval(-1.0, -1.5, -0.5),
)
ALL_GOOD = Evidence(GOOD, 100.0, GOOD, GOOD, 50)


def test_policy_that_is_better_in_every_way_is_promoted() -> None:
    assert decide_promotion(ALL_GOOD).verdict is Verdict.PROMOTE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"off_policy": UNSURE}, "off_policy_not_better"),
        ({"replay": UNSURE}, "replay_not_better"),
        ({"shadow": BAD}, "shadow_worse"),
    ],
)
def test_policy_that_fails_one_comparison_is_rejected(change: dict[str, Any], reason: str) -> None:
    found = decide_promotion(replace(ALL_GOOD, **change))
    assert (found.verdict, found.reasons) == (Verdict.REJECT, (reason,))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"shadow": None}, "shadow_too_short"),
        ({"shadow_decisions": 29}, "shadow_too_short"),
        ({"effective_decisions": 10.0}, "too_few_effective_decisions"),
    ],
)
def test_policy_with_too_little_evidence_stays_in_shadow(
    change: dict[str, Any], reason: str
) -> None:
    found = decide_promotion(replace(ALL_GOOD, **change))
    assert (found.verdict, found.reasons) == (Verdict.KEEP_SHADOW, (reason,))


def test_rule_without_logged_alternatives_is_promoted_by_replay_and_shadow() -> None:
    evidence = replace(ALL_GOOD, off_policy=None, effective_decisions=0.0)
    assert decide_promotion(evidence).verdict is Verdict.PROMOTE


def test_promoted_policy_is_taken_back_when_it_costs_more() -> None:
    random = np.random.default_rng(0)
    assert must_roll_back(random.normal(-1.0, 0.5, 20))
    assert not must_roll_back(random.normal(0.1, 0.5, 20))


@pytest.mark.parametrize("savings", [[], [-100.0]])
def test_one_block_is_no_reason_to_roll_back(savings: list[float]) -> None:
    assert not must_roll_back(np.array(savings))


def test_interval_of_a_mean_contains_it_in_95_of_100_draws() -> None:
    random = np.random.default_rng(1)
    found = [interval_of_mean(random.normal(2.0, 1.0, 40), seed) for seed in range(100)]
    assert sum(one.low <= 2.0 <= one.high for one in found) >= 88


def test_interval_of_a_ratio_of_equal_blocks_has_no_width() -> None:
    found = interval_of_ratio(np.full(10, 2.0), np.full(10, 8.0), seed=0)
    assert (found.value, found.low, found.high) == (0.25, 0.25, 0.25)


def test_one_block_has_no_interval() -> None:
    assert interval_of_mean(np.array([3.0]), 0) == ScoreInterval(3.0, -np.inf, np.inf)
    assert interval_of_ratio(np.array([1.0]), np.array([2.0]), 0) == ScoreInterval(
        0.5, -np.inf, np.inf
    )
