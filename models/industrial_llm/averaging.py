"""Average an adapter's weights over the last training steps.

The weights of a single step depend on chance: two trainings with the same examples differed by
twelve points in one task.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(slots=True)
class WeightAverage:
    """The running mean of weights by name, over the steps from `first_step` on; empty before."""

    first_step: int
    weights: dict[str, Tensor] = field(default_factory=dict)

    def update(self, step: int, get_weights: Callable[[], Mapping[str, Tensor]]) -> None:
        """Add the weights after a step to the mean; does nothing before `first_step`.

        `get_weights` is called from `first_step` on only.
        """
        if step < self.first_step:
            return
        share = 1 / (step - self.first_step + 1)
        self.weights = {
            name: torch.lerp(self.weights.get(name, weight), weight, share)
            for name, weight in get_weights().items()
        }
