"""Off-policy evaluation: what another policy would have cost on logged decisions.

Doubly robust (Dudík, Langford, Li 2011): a model of costs, corrected where the logged action is one
that the other policy would have taken. The estimate is right if either the model or the
propensities are. The model is fitted on parts of the log without the decision (cross-fitting).
Weights are clipped, so that one rare action cannot decide; this favours the logging policy.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.observed.resampling import ScoreInterval
from models.policies.bandits.linear import fit_bandit
from models.policies.bandits.logged import DecisionsInvalid, LoggedDecisions
from models.policies.intervals import Floats, interval_of_mean

Policy = Callable[[Floats], Floats]
"""Returns the probability of each action, [decisions, actions], of contexts."""

MIN_DECISIONS = 50
_FOLDS = 5
_MAX_WEIGHT = 20.0
_SEED = 13


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the logging policy cost and another one would have, per decision.

    saving: logged minus other, with its interval. effective_decisions: how many decisions the
    weights are worth; few say that the policies hardly overlap.
    """

    logged: float
    other: float
    saving: ScoreInterval
    effective_decisions: float

    @property
    def is_better(self) -> bool:
        """Whether the other policy costs less with the stated confidence."""
        return self.saving.low > 0


def evaluate_policy(
    logged: LoggedDecisions, policy: Policy, actions: int, block: int = 1
) -> Evaluation:
    """Return the evaluation. Raises DecisionsInvalid for too few decisions.

    block: decisions in order that belong together, such as those of a day; the interval resamples
    blocks.
    """
    if len(logged) < MIN_DECISIONS:
        raise DecisionsInvalid(f"{len(logged)} decisions are too few; {MIN_DECISIONS} are needed.")
    wanted = policy(logged.contexts)
    rows = np.arange(len(logged))
    weights = np.minimum(wanted[rows, logged.actions] / logged.propensities, _MAX_WEIGHT)
    modelled = _cross_fitted_costs(logged, actions)
    corrections = weights * (logged.costs - modelled[rows, logged.actions])
    others = (wanted * modelled).sum(axis=1) + corrections
    blocks = np.array_split(logged.costs - others, max(1, len(logged) // block))
    saving = interval_of_mean(np.array([part.mean() for part in blocks]), _SEED)
    effective = float(weights.sum() ** 2 / max(float((weights**2).sum()), 1e-12))
    return Evaluation(float(logged.costs.mean()), float(others.mean()), saving, effective)


def _cross_fitted_costs(logged: LoggedDecisions, actions: int) -> Floats:
    """Return the modelled cost of each action, by models without the decision's part of the log."""
    modelled = np.empty((len(logged), actions))
    for part in np.array_split(np.arange(len(logged)), _FOLDS):
        kept = np.setdiff1d(np.arange(len(logged)), part)
        model = fit_bandit(logged.take(kept), actions)
        modelled[part] = model.expected_costs(logged.contexts[part])
    return modelled
