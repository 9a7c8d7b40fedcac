"""Bandits find the cheapest action, and off-policy evaluation is right about other policies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.policies.bandits.linear import LinearBandit, fit_bandit
from models.policies.bandits.logged import DecisionsInvalid, LoggedDecisions
from models.policies.bandits.off_policy import evaluate_policy
from models.policies.intervals import Floats

WEIGHTS = np.array([[0.0, 0.0, 5.0], [4.0, 0.0, 3.0], [-3.0, 2.0, 6.0]])
"""Of the cost of three actions: two features and a constant."""


def true_costs(contexts: Floats) -> Floats:
    return np.asarray(np.c_[contexts, np.ones(len(contexts))] @ WEIGHTS.T)


def log_of(count: int, seed: int, shares: tuple[float, ...] = (0.8, 0.1, 0.1)) -> LoggedDecisions:
    random = np.random.default_rng(seed)
    contexts = random.uniform(-1, 1, (count, 2))
    actions = random.choice(3, size=count, p=shares)
    costs = true_costs(contexts)[np.arange(count), actions] + random.normal(0, 1, count)
    return LoggedDecisions(contexts, actions, np.array(shares)[actions], costs)


@pytest.fixture(scope="module")
def bandit() -> LinearBandit:
    return fit_bandit(log_of(3000, 0), 3)


def test_bandit_prefers_the_cheapest_action_in_most_situations(bandit: LinearBandit) -> None:
    contexts = np.random.default_rng(5).uniform(-1, 1, (500, 2))
    chosen = bandit.expected_costs(contexts).argmin(axis=1)
    assert (chosen == true_costs(contexts).argmin(axis=1)).mean() > 0.9


def test_every_action_keeps_its_share_of_exploration(bandit: LinearBandit) -> None:
    shares = bandit.probabilities(np.random.default_rng(5).uniform(-1, 1, (50, 2)), seed=1)
    assert shares.sum(axis=1) == pytest.approx(np.ones(50))
    assert shares.min() >= 0.05 / 3 - 1e-12


def test_draw_is_the_same_for_the_same_seed_and_has_its_propensity(bandit: LinearBandit) -> None:
    context = np.array([0.2, -0.4])
    drawn = bandit.draw(context, seed=7)
    assert bandit.draw(context, seed=7) == drawn
    shares = bandit.probabilities(context[np.newaxis], seed=7)[0]
    assert drawn.propensity == shares[drawn.action]


def test_action_without_a_decision_is_still_drawn() -> None:
    logged = log_of(300, 1, (0.5, 0.5, 0.0))
    assert fit_bandit(logged, 3).probabilities(np.zeros((1, 2)), seed=3)[0, 2] > 0.01


def test_evaluation_of_the_best_policy_is_close_to_its_true_cost() -> None:
    logged = log_of(4000, 2)

    def best(contexts: Floats) -> Floats:
        return np.asarray(np.eye(3)[true_costs(contexts).argmin(axis=1)])

    found = evaluate_policy(logged, best, 3)
    truth = true_costs(logged.contexts).min(axis=1).mean()
    assert found.other == pytest.approx(truth, abs=0.15)
    assert found.is_better
    assert found.effective_decisions > 100


def test_policy_like_the_logging_one_is_not_better() -> None:
    found = evaluate_policy(
        log_of(1000, 3), lambda rows: np.tile([0.8, 0.1, 0.1], (len(rows), 1)), 3
    )
    assert not found.is_better
    assert found.saving.low < 0 < found.saving.high


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_worse_policy_is_never_called_better(seed: int) -> None:
    def worst(contexts: Floats) -> Floats:
        return np.asarray(np.eye(3)[true_costs(contexts).argmax(axis=1)])

    assert not evaluate_policy(log_of(600, seed), worst, 3).is_better


def test_too_few_decisions_are_refused() -> None:
    with pytest.raises(DecisionsInvalid, match="49 decisions are too few"):
        evaluate_policy(log_of(49, 0), lambda rows: np.full((len(rows), 3), 1 / 3), 3)


@pytest.mark.parametrize("propensity", [0.0, -0.1, 1.1, float("nan")])
def test_impossible_propensity_is_refused(propensity: float) -> None:
    with pytest.raises(DecisionsInvalid):
        LoggedDecisions(np.zeros((1, 2)), np.array([0]), np.array([propensity]), np.zeros(1))


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(DecisionsInvalid, match="differ in length"):
        LoggedDecisions(np.zeros((2, 2)), np.array([0]), np.ones(1), np.zeros(1))
