"""Replay of two controllers on the same logged days: the saving, and whether it is certain."""

from dataclasses import dataclass

import numpy as np

from models.observed.resampling import ScoreInterval
from models.policies.intervals import interval_of_ratio
from models.policies.scheduling.controllers import Controller
from models.policies.scheduling.operation import Operation, operate
from models.policies.scheduling.pumping import Installation
from models.policies.scheduling.tariff import Floats

_SEED = 7


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a candidate would have cost and saved on days of demand, next to the current rule.

    saving: share of the current rule's cost, with its interval over blocks of days.
    """

    current: Operation
    candidate: Operation
    saving: ScoreInterval

    @property
    def is_better(self) -> bool:
        """Whether the candidate costs less with the stated confidence and keeps the levels."""
        return self.candidate.violations == 0 and self.saving.low > 0


def compare(
    installation: Installation,
    current: Controller,
    candidate: Controller,
    demands: Floats,
    begins: tuple[float, int],
    block_days: int = 2,
) -> Comparison:
    """Return the comparison on demands, [days, slots], in m³ a step.

    A difference between the levels at the end counts at the higher mean cost per m³ of the two, so
    that emptying the tank is no saving.
    """
    first = operate(installation, current, demands, begins)
    second = operate(installation, candidate, demands, begins)
    return compare_operations(first, second, demands, block_days)


def compare_operations(
    first: Operation, second: Operation, demands: Floats, block_days: int = 2
) -> Comparison:
    """Return the comparison of two operations on the same demands, [days, slots]."""
    saved = savings(first, second, demands)
    blocks = np.array_split(np.arange(len(demands)), max(1, len(demands) // block_days))
    sums, costs = (
        np.array([column[block].sum() for block in blocks]) for column in (saved, first.costs)
    )
    return Comparison(first, second, interval_of_ratio(sums, costs, _SEED))


def savings(first: Operation, second: Operation, demands: Floats) -> Floats:
    """Return what the second operation saves by day, [days].

    Water that it leaves less in the tank is counted on the last day, at the higher mean cost per m³
    of the two.
    """
    price = max(first.total, second.total) / max(float(demands.sum()), 1.0)
    saved = first.costs - second.costs
    saved[-1] -= (first.ends[0] - second.ends[0]) * price
    return saved
