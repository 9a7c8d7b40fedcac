"""The learned policy: expected costs of actions, linear in the features of a situation.

Features are standardised with the decisions that it was learned from. A situation outside of their
range is left to the policy before: what was never seen was not learned.
"""

from dataclasses import dataclass

import numpy as np

from models.policies.bandits.linear import fit_bandit
from models.policies.bandits.logged import Indices
from models.policies.intervals import Floats
from models.policies.learned.decisions import Flags, KnownDecisions
from models.policies.learned.outcomes import ACTIONS

# A value beyond the range that was seen, by this share of its width, is still familiar.
_MARGIN = 0.1


@dataclass(frozen=True, slots=True)
class LearnedPolicy:
    """features: their names. lows, highs: the range that was seen, [features].

    centres, spreads: of standardisation, [features]. weights: [actions, features + 1], the last one
    is the constant, in units of `scale`, the cost of an unplanned stop.
    """

    features: tuple[str, ...]
    lows: Floats
    highs: Floats
    centres: Floats
    spreads: Floats
    weights: Floats
    scale: float

    def expected_costs(self, contexts: Floats) -> Floats:
        """Return the expected cost of each action, [decisions, actions]."""
        rows = (contexts - self.centres) / self.spreads
        rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
        return np.asarray(rows @ self.weights.T * self.scale)

    def fault_probabilities(self, contexts: Floats) -> Floats:
        """Return the probability of a fault that the cost of waiting stands for, [decisions]."""
        return np.asarray(np.clip(self.expected_costs(contexts)[:, 0] / self.scale, 0.0, 1.0))

    def are_familiar(self, contexts: Floats) -> Flags:
        """Return whether each situation is within the range that was seen, [decisions]."""
        margins = _MARGIN * np.maximum(self.highs - self.lows, 1e-9)
        inside = (contexts >= self.lows - margins) & (contexts <= self.highs + margins)
        return np.asarray(inside.all(axis=1))

    def choose(self, contexts: Floats, allowed: Flags, references: Indices) -> Indices:
        """Return the cheapest allowed action; in an unfamiliar situation that of `references`."""
        costs = np.where(allowed, self.expected_costs(contexts), np.inf)
        return np.asarray(
            np.where(self.are_familiar(contexts), costs.argmin(axis=1), references), dtype=np.intp
        )


def fit_policy(features: tuple[str, ...], known: KnownDecisions, scale: float) -> LearnedPolicy:
    """Learn a policy from decisions. scale: the cost of an unplanned stop."""
    centres, spreads = known.contexts.mean(axis=0), known.contexts.std(axis=0)
    spreads = np.where(spreads > 1e-9, spreads, 1.0)
    logged = known.with_all_actions()
    standard = type(logged)(
        (logged.contexts - centres) / spreads,
        logged.actions,
        logged.propensities,
        logged.costs / scale,
    )
    return LearnedPolicy(
        features,
        known.contexts.min(axis=0),
        known.contexts.max(axis=0),
        centres,
        spreads,
        fit_bandit(standard, len(ACTIONS)).means,
        scale,
    )
