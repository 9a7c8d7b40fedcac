"""A linear bandit: Bayesian regression of the cost of each action, with Thompson sampling.

Agrawal and Goyal 2013. An action is drawn with the probability that it is the cheapest one, as far
as the decisions so far tell. Every action keeps a small probability, so that the policy can be
evaluated and corrected later; `explored` sets it, and 0 decides without chance.
"""

from dataclasses import dataclass

import numpy as np

from models.policies.bandits.logged import LoggedDecisions
from models.policies.intervals import Floats

_PRIOR_PRECISION = 1.0
_DRAWS = 256


@dataclass(frozen=True, slots=True)
class Draw:
    """An action with the probability with which it was drawn."""

    action: int
    propensity: float


@dataclass(frozen=True, slots=True)
class LinearBandit:
    """The posterior of the weights of each action.

    means: [actions, features + 1], the last one is the constant. factors: of the covariances,
    [actions, features + 1, features + 1].
    """

    means: Floats
    factors: Floats
    explored: float

    @property
    def actions(self) -> int:
        """How many actions there are."""
        return len(self.means)

    def expected_costs(self, contexts: Floats) -> Floats:
        """Return the expected cost of each action, [decisions, actions]."""
        return np.asarray(_with_constant(contexts) @ self.means.T)

    def probabilities(self, contexts: Floats, seed: int) -> Floats:
        """Return the probability of drawing each action, [decisions, actions]."""
        rows = _with_constant(contexts)
        random = np.random.default_rng(seed)
        shape = (_DRAWS, self.actions, rows.shape[1])
        noise = np.einsum("aij,daj->dai", self.factors, random.normal(size=shape))
        cheapest = np.einsum("nf,daf->nda", rows, self.means + noise).argmin(axis=2)
        shares = np.stack([(cheapest == one).mean(axis=1) for one in range(self.actions)], axis=1)
        return np.asarray((1 - self.explored) * shares + self.explored / self.actions)

    def draw(self, context: Floats, seed: int) -> Draw:
        """Return an action for one situation, [features]; the same seed gives the same one."""
        shares = self.probabilities(context[np.newaxis], seed)[0]
        action = int(np.random.default_rng([seed, 1]).choice(self.actions, p=shares))
        return Draw(action, float(shares[action]))


def fit_bandit(logged: LoggedDecisions, actions: int, explored: float = 0.05) -> LinearBandit:
    """Return the posterior after logged decisions; an action without any keeps its wide prior."""
    rows = _with_constant(logged.contexts)
    scale = float(logged.costs.std()) or 1.0
    means, factors = [], []
    for action in range(actions):
        taken = logged.actions == action
        precision = _PRIOR_PRECISION * np.eye(rows.shape[1]) + rows[taken].T @ rows[taken]
        covariance = np.linalg.inv(precision)
        mean = covariance @ (rows[taken].T @ logged.costs[taken])
        spread = _noise(rows[taken], logged.costs[taken], mean, scale)
        means.append(mean)
        factors.append(np.linalg.cholesky(covariance) * spread)
    return LinearBandit(np.array(means), np.array(factors), explored)


def _noise(rows: Floats, costs: Floats, mean: Floats, scale: float) -> float:
    """Return the spread of costs around their expectation, that of all costs for few decisions."""
    if len(costs) <= rows.shape[1]:
        return scale
    return max(float((costs - rows @ mean).std()), 1e-6 * scale)


def _with_constant(contexts: Floats) -> Floats:
    """Return the contexts with a column of ones."""
    return np.concatenate([contexts, np.ones((len(contexts), 1))], axis=1)
