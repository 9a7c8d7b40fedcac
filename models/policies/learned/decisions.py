"""Decisions with their situations, and what each action cost, as columns in order of time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.policies.bandits.logged import DecisionsInvalid, Indices, LoggedDecisions
from models.policies.intervals import Floats
from models.policies.learned.outcomes import ACTIONS

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class KnownDecisions:
    """Decisions whose outcome is known.

    contexts: [decisions, features]. actions: the one taken, [decisions]. references: the one that
    the policy to be replaced would have taken, [decisions]. propensities: of the action taken.
    faults: whether the machine had a fault. costs: of each action given that, [decisions, actions].
    allowed: the actions that were permitted, [decisions, actions]. blocks: the number of the period
    of each decision; decisions of a period belong together. outcome_costs: what the actions cost
    without a fault and with one by the stated costs, [2, actions].
    """

    contexts: Floats
    actions: Indices
    references: Indices
    propensities: Floats
    faults: Flags
    costs: Floats
    allowed: Flags
    blocks: Indices
    outcome_costs: Floats

    def __post_init__(self) -> None:
        """Raise DecisionsInvalid for columns that do not fit each other."""
        count, width = len(self.actions), len(ACTIONS)
        lengths = {len(column) for column in (self.contexts, self.references, self.faults,
                                              self.propensities, self.blocks)}  # fmt: skip
        if lengths != {count} or self.contexts.ndim != 2:
            raise DecisionsInvalid("The columns of the decisions differ in length.")
        if self.costs.shape != (count, width) or self.allowed.shape != (count, width):
            raise DecisionsInvalid(f"Costs and permissions have {width} columns.")
        if not np.isfinite(self.contexts).all() or not np.isfinite(self.costs).all():
            raise DecisionsInvalid("A decision has a value that is no number.")

    def __len__(self) -> int:
        """The number of decisions."""
        return len(self.actions)

    @property
    def periods(self) -> int:
        """The number of periods with decisions."""
        return len(np.unique(self.blocks))

    @property
    def has_alternatives(self) -> bool:
        """Whether any decision was drawn, so that off-policy evaluation has a basis."""
        return bool((self.propensities < 1.0).any())

    def take(self, rows: Indices) -> "KnownDecisions":
        """Return some of the decisions."""
        return KnownDecisions(
            self.contexts[rows],
            self.actions[rows],
            self.references[rows],
            self.propensities[rows],
            self.faults[rows],
            self.costs[rows],
            self.allowed[rows],
            self.blocks[rows],
            self.outcome_costs,
        )

    def parts(self, count: int) -> list[Indices]:
        """Return the rows of so many parts of the history with about as many periods each."""
        return [
            np.flatnonzero(np.isin(self.blocks, part))
            for part in np.array_split(np.unique(self.blocks), count)
        ]

    def costs_of(self, actions: Indices) -> Floats:
        """Return what some actions cost, [decisions]."""
        return np.asarray(self.costs[np.arange(len(self)), actions])

    def means_by_period(self, values: Floats) -> Floats:
        """Return the mean of values, [decisions], in each period, [periods]."""
        _, numbers = np.unique(self.blocks, return_inverse=True)
        sums = np.bincount(numbers, weights=values)
        return np.asarray(sums / np.bincount(numbers))

    def logged(self) -> LoggedDecisions:
        """Return the decisions as they were taken."""
        costs = self.costs_of(self.actions)
        return LoggedDecisions(self.contexts, self.actions, self.propensities, costs)

    def with_all_actions(self) -> LoggedDecisions:
        """Return each decision once for each action: what all of them cost is known."""
        width = len(ACTIONS)
        return LoggedDecisions(
            np.repeat(self.contexts, width, axis=0),
            np.tile(np.arange(width), len(self)),
            np.ones(len(self) * width),
            self.costs.reshape(-1),
        )
