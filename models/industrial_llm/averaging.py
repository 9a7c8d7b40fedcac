"""The mean of an adapter over its last steps: where the last one lies is chance, and two trainings
with the same examples differed by twelve points in a task.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(slots=True)
class Mean:
    """Of the weights after each step from `first` on, by name; empty before."""

    first: int
    weights: dict[str, Tensor] = field(default_factory=dict)

    def take(self, step: int, weights: Callable[[], Mapping[str, Tensor]]) -> None:
        """Count in what the weights are after a step; they are asked for only where they count."""
        if step < self.first:
            return
        share = 1 / (step - self.first + 1)
        self.weights = {
            name: torch.lerp(self.weights.get(name, one), one, share)
            for name, one in weights().items()
        }
