"""Learned policies: outcomes, savings with exact bounds, promotion that refuses chance, files."""

from dataclasses import replace

import numpy as np
import pytest

from load.simulation.learned_policies import Specialist, share_interval, simulate_machine
from models.observed.resampling import ScoreInterval
from models.policies.bandits.logged import DecisionsInvalid
from models.policies.learned.decisions import KnownDecisions
from models.policies.learned.judgement import (
    TooFewDecisions,
    judge_shadow,
    train_candidate,
    watch_policy,
)
from models.policies.learned.outcomes import costs_of_outcome
from models.policies.learned.policy_file import (
    PolicyBinding,
    PolicyFileForeign,
    PolicyFileInvalid,
    fingerprint_of_costs,
    read_policy,
    write_policy,
)
from models.policies.learned.saving import rate_bounds, saving_of
from models.policies.maintenance.costs import MaintenanceCosts
from models.policies.promotion import Evidence, Verdict
from tests.support.nightly import nightly

COSTS = MaintenanceCosts(planned_stop=1000, unplanned_stop=3000, inspection=200)
NAMES = ("failure_probability",)
BINDING = PolicyBinding("acct_1", "agent_1", "ast_1", fingerprint_of_costs(COSTS))


def known(periods: int = 100, seed: int = 0, fault_from: float = 0.5) -> KnownDecisions:
    """Decisions that always inspect; faults are those whose feature is at least `fault_from`."""
    random = np.random.default_rng(seed)
    contexts = random.uniform(0, 1, (periods * 2, 1))
    faults = contexts[:, 0] >= fault_from
    table = np.array([costs_of_outcome(fault, COSTS) for fault in (False, True)])
    inspected = np.ones(len(contexts), dtype=np.intp)
    return KnownDecisions(
        contexts=contexts,
        actions=inspected,
        references=inspected,
        propensities=np.ones(len(contexts)),
        faults=faults,
        costs=table[faults.astype(int)],
        allowed=np.ones((len(contexts), 3), dtype=np.bool_),
        blocks=np.repeat(np.arange(periods), 2),
        outcome_costs=table,
    )


def test_costs_of_an_outcome_follow_the_stated_ones() -> None:
    assert costs_of_outcome(False, COSTS).tolist() == [0.0, 250.0, 1000.0]
    assert costs_of_outcome(True, COSTS) == pytest.approx([3000.0, 1400.0, 1000.0])


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"), [(0, 100, 0.0, 0.0362), (100, 100, 0.9638, 1.0)]
)
def test_exact_bounds_of_a_rate(hits: int, count: int, low: float, high: float) -> None:
    """For 0 of n: 1 - 0.025 ** (1 / n)."""
    assert rate_bounds(hits, count, 0.025) == pytest.approx((low, high), abs=1e-4)


def test_saving_without_any_fault_is_not_certain() -> None:
    decisions = known(20, fault_from=2.0)
    saving = saving_of(decisions, np.zeros(len(decisions), dtype=np.intp))
    assert saving.value == 250.0
    assert saving.low < 0 < saving.high


def test_policy_learns_when_inspections_are_in_vain() -> None:
    candidate = train_candidate(NAMES, known(), COSTS.unplanned_stop)
    assert candidate.promotion.verdict is Verdict.KEEP_SHADOW
    assert candidate.replay.low > 0
    contexts, allowed = np.array([[0.02], [0.98], [5.0]]), np.ones((3, 3), dtype=np.bool_)
    chosen = candidate.policy.choose(contexts, allowed, np.ones(3, dtype=np.intp))
    # The last situation is outside of what was seen: the reference decides.
    assert chosen.tolist() == [0, 2, 1]
    permitted = np.array([[True, True, False]])
    assert candidate.policy.choose(contexts[1:2], permitted, np.array([1])).tolist() == [1]


def test_drawn_decisions_are_evaluated_off_policy() -> None:
    decisions = known(200)
    random = np.random.default_rng(1)
    actions = np.where(random.random(len(decisions)) < 0.3, 0, 1)
    propensities = np.where(actions == 0, 0.3, 0.7)
    drawn = replace(decisions, actions=actions, propensities=propensities)
    candidate = train_candidate(NAMES, drawn, COSTS.unplanned_stop)
    assert candidate.off_policy is not None
    assert candidate.off_policy.saving.value > 0


def test_too_few_outcomes_train_nothing() -> None:
    for periods in (19, 39):
        with pytest.raises(TooFewDecisions, match="of 80 decisions"):
            train_candidate(NAMES, known(periods), COSTS.unplanned_stop)


def test_columns_that_do_not_fit_are_refused() -> None:
    decisions = known(5)
    with pytest.raises(DecisionsInvalid):
        replace(decisions, faults=decisions.faults[1:])
    with pytest.raises(DecisionsInvalid):
        replace(decisions, costs=decisions.costs[:, :2])
    with pytest.raises(DecisionsInvalid):
        replace(decisions, contexts=decisions.contexts * np.nan)


def test_shadow_period_without_a_saving_promotes_nothing() -> None:
    good, none = ScoreInterval(1.0, 0.5, 1.5), ScoreInterval(0.0, -1.0, 1.0)
    evidence = Evidence(None, 0.0, good, none, 40)
    assert judge_shadow(evidence).reasons == ("shadow_not_better",)
    assert judge_shadow(replace(evidence, shadow=good)).verdict is Verdict.PROMOTE


def test_policy_that_costs_more_or_states_wrong_chances_is_taken_back() -> None:
    policy = train_candidate(NAMES, known(), COSTS.unplanned_stop).policy

    def watched(fault_from: float, share: float) -> tuple[str, ...]:
        later = known(40, seed=1, fault_from=fault_from)
        later = replace(later, contexts=later.contexts * share)
        chosen = policy.choose(later.contexts, later.allowed, later.references)
        return watch_policy(policy, replace(later, actions=chosen)).reasons

    assert watched(0.5, 1.0) == ()
    # Faults where it learned that there are none.
    assert watched(0.0, 0.3) == ("cost_worse", "calibration_broken")


@nightly
def test_chance_is_promoted_at_most_at_the_stated_rate() -> None:
    promoted = sum(
        simulate_machine(seed, Specialist.CALIBRATED, 240).promoted for seed in range(20)
    )
    assert promoted == 0
    assert share_interval(0, 20)[1] < 0.17


def test_improvement_is_promoted() -> None:
    machines = [simulate_machine(seed, Specialist.OVERCONFIDENT, 720) for seed in range(7, 10)]
    assert sum(one.promoted for one in machines) >= 2
    assert sum(one.after.sum() for one in machines) < sum(one.before.sum() for one in machines)


class TestFiles:
    def test_policy_is_the_same_after_writing_and_reading(self) -> None:
        policy = train_candidate(NAMES, known(), COSTS.unplanned_stop).policy
        read = read_policy(write_policy(policy, BINDING), BINDING)
        assert write_policy(read, BINDING) == write_policy(policy, BINDING)

    @pytest.mark.parametrize("field", ["account", "asset", "agent"])
    def test_policy_of_another_plant_is_refused(self, field: str) -> None:
        policy = train_candidate(NAMES, known(), COSTS.unplanned_stop).policy
        content = write_policy(policy, BINDING)
        with pytest.raises(PolicyFileForeign, match=f"for the {field} "):
            read_policy(content, replace(BINDING, **{field: "other"}))
        with pytest.raises(PolicyFileForeign, match="other stated costs"):
            read_policy(content, replace(BINDING, costs="other"))

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b'"scale":3000.0', b'"scale":0.0'),
            (b'"weights":[[', b'"weights":[[1.0,'),
            (b'"features":["failure_probability"]', b'"features":[]'),
            (b'"lows":[', b'"lows":[1.0,'),
            (b'"maas.agent-policy.v1"', b'"maas.agent-policy.v2"'),
            (b'"format"', b'"form"'),
            (b"{", b"["),
        ],
    )
    def test_damaged_file_is_refused(self, old: bytes, new: bytes) -> None:
        policy = train_candidate(NAMES, known(), COSTS.unplanned_stop).policy
        content = write_policy(policy, BINDING)
        assert old in content
        with pytest.raises(PolicyFileInvalid):
            read_policy(content.replace(old, new, 1), BINDING)
