"""What learned policies of agents save, and how often a policy without effect is promoted.

    python -m load.simulation.learned_policies [SEEDS]

A machine is looked at four times a day. Faults come with a probability that depends on a vibration,
and a specialist states a probability of them. The agent decides by expected cost, learns from the
outcomes of 240 or 720 days, decides in shadow for 60 days, and is promoted or not by the rules that
run in operation (models/policies/learned/judgement.py). The 65 days after that are counted.

    calibrated     the specialist states the true probability: there is nothing to learn
    overconfident  it states five times the odds: the agent inspects in vain
    blind          it states the mean probability and does not use the vibration
"""

import sys
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from models.observed.resampling import ScoreInterval
from models.policies.bandits.logged import Indices
from models.policies.intervals import Floats, interval_of_ratio
from models.policies.learned.decisions import KnownDecisions
from models.policies.learned.judgement import (
    judge_shadow,
    train_candidate,
    watch_policy,
)
from models.policies.learned.outcomes import ACTIONS, costs_of_outcome
from models.policies.learned.policy import LearnedPolicy
from models.policies.learned.saving import saving_of
from models.policies.maintenance.costs import MaintenanceCosts
from models.policies.maintenance.outlook import outlook_of_event
from models.policies.maintenance.policy import decide_maintenance
from models.policies.promotion import Verdict

COSTS = MaintenanceCosts(planned_stop=1500, unplanned_stop=6000, inspection=300)
FEATURES = ("failure_probability", "rule:vibration")
_PER_DAY, _SHADOW, _COUNTED = 4, 60, 65
_TRAINED = (240, 720)
_HORIZON = 7


class Specialist(StrEnum):
    """What the specialist knows of the machine."""

    CALIBRATED = "calibrated"
    OVERCONFIDENT = "overconfident"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Machine:
    """A simulated machine: what happened to the candidate, and costs of the counted days.

    before, after: cost by day of the counted days, without and with what was promoted.
    """

    promoted: bool
    rolled_back: bool
    before: Floats
    after: Floats


def simulate_machine(seed: int, specialist: Specialist, learned_days: int) -> Machine:
    """Simulate one machine that learns from so many days."""
    known = _decisions(seed, specialist, learned_days + _SHADOW + _COUNTED)
    days = known.blocks
    trained, shadowed, counted = (
        known.take(np.flatnonzero(rows))
        for rows in (
            days < learned_days,
            (days >= learned_days) & (days < learned_days + _SHADOW),
            days >= learned_days + _SHADOW,
        )
    )
    before = _by_day(counted.costs_of(counted.references))
    candidate = train_candidate(FEATURES, trained, COSTS.unplanned_stop)
    if candidate.promotion.verdict is Verdict.REJECT:
        return Machine(False, False, before, before)
    chosen = _choose(candidate.policy, shadowed)
    evidence = candidate.evidence(saving_of(shadowed, chosen), len(shadowed))
    if judge_shadow(evidence).verdict is not Verdict.PROMOTE:
        return Machine(False, False, before, before)
    return _operate(candidate.policy, counted, before)


def _operate(policy: LearnedPolicy, counted: KnownDecisions, before: Floats) -> Machine:
    """Return the counted days under a promoted policy, until it is taken back."""
    chosen = _choose(policy, counted)
    after = _by_day(counted.costs_of(chosen))
    for day in range(2, len(after)):
        rows = np.arange(day * _PER_DAY)
        seen = counted.take(rows)
        taken = KnownDecisions(
            seen.contexts, chosen[rows], seen.references, seen.propensities, seen.faults,
            seen.costs, seen.allowed, seen.blocks, seen.outcome_costs,
        )  # fmt: skip
        if watch_policy(policy, taken).reasons:
            return Machine(True, True, before, np.concatenate([after[:day], before[day:]]))
    return Machine(True, False, before, after)


def _choose(policy: LearnedPolicy, known: KnownDecisions) -> Indices:
    """Return the actions of a policy."""
    return policy.choose(known.contexts, known.allowed, known.references)


def _decisions(seed: int, specialist: Specialist, days: int) -> KnownDecisions:
    """Return decisions by expected cost, with what became of them."""
    random = np.random.default_rng(seed)
    count = days * _PER_DAY
    vibration = np.repeat(random.beta(1.2, 6.0, days), _PER_DAY) + random.normal(0, 0.01, count)
    chances = np.clip(0.002 + 0.6 * np.clip(vibration, 0, 1) ** 2, 0, 0.95)
    faults = np.repeat(random.random(days) < chances.reshape(days, _PER_DAY).mean(axis=1), _PER_DAY)
    stated = _stated(chances, specialist)
    references = np.array([_by_expected_cost(one) for one in stated], dtype=np.intp)
    table = np.array([costs_of_outcome(fault, COSTS) for fault in (False, True)])
    return KnownDecisions(
        contexts=np.column_stack([stated, vibration]),
        actions=references,
        references=references,
        propensities=np.ones(count),
        faults=faults,
        costs=table[faults.astype(int)],
        allowed=np.ones((count, len(ACTIONS)), dtype=np.bool_),
        blocks=np.repeat(np.arange(days), _PER_DAY),
        outcome_costs=table,
    )


def _stated(chances: Floats, specialist: Specialist) -> Floats:
    """Return the probabilities that a specialist states."""
    if specialist is Specialist.CALIBRATED:
        return chances
    if specialist is Specialist.BLIND:
        return np.full(len(chances), chances.mean())
    odds = 5 * chances / (1 - chances)
    return np.asarray(odds / (1 + odds))


def _by_expected_cost(probability: float) -> int:
    """Return the number of the action with the lowest expected cost."""
    decided = decide_maintenance(outlook_of_event(probability, _HORIZON), COSTS)
    return ACTIONS.index(decided.action)


def _by_day(costs: Floats) -> Floats:
    """Return the sums of days."""
    return np.asarray(costs.reshape(-1, _PER_DAY).sum(axis=1))


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share."""
    z, share = 1.96, hits / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _report(specialist: Specialist, seeds: int, days: int) -> None:
    """Print the figures of one kind of specialist."""
    machines = [simulate_machine(seed, specialist, days) for seed in range(seeds)]
    promoted = sum(one.promoted for one in machines)
    low, high = share_interval(promoted, seeds)
    before = np.array([one.before.sum() for one in machines])
    after = np.array([one.after.sum() for one in machines])
    saved: ScoreInterval = interval_of_ratio(before - after, before, 1)
    print(
        f"| {specialist.value} | {days} | {promoted} of {seeds} ({low:.1%} to {high:.1%})"
        f" | {sum(one.rolled_back for one in machines)} | {before.mean() / _COUNTED:,.0f}"
        f" | {after.mean() / _COUNTED:,.0f}"
        f" | {saved.value:.1%} ({saved.low:.1%} to {saved.high:.1%}) |"
    )


def main() -> None:
    """Print the figures."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print("| specialist | days | promoted | taken back | before, a day | after | saved |")
    print("|---|---|---|---|---|---|---|")
    for specialist in Specialist:
        for days in _TRAINED:
            _report(specialist, seeds, days)


if __name__ == "__main__":
    main()
