"""The average of adapter weights over the last training steps."""

from typing import TYPE_CHECKING

import pytest

from infra.lazy_import import LazyModule
from tests.support.heavy import NEEDS_TORCH

if TYPE_CHECKING:
    import torch

    from models.industrial_llm import averaging
else:
    torch = LazyModule("torch")
    averaging = LazyModule("models.industrial_llm.averaging")

pytestmark = NEEDS_TORCH


def test_weight_average_covers_steps_from_first_step() -> None:
    mean = averaging.WeightAverage(first_step=3)
    for step, weight in enumerate((100.0, 50.0, 1.0, 2.0, 6.0), start=1):
        weights = {"a": torch.tensor([weight]), "b": torch.tensor([-weight])}
        mean.update(step, lambda now=weights: now)
        assert bool(mean.weights) == (step >= 3)
    assert mean.weights["a"].item() == pytest.approx(3.0)
    assert mean.weights["b"].item() == pytest.approx(-3.0)


def test_weight_average_resumes_from_saved_weights() -> None:
    mean = averaging.WeightAverage(first_step=1, weights={"a": torch.tensor([4.0])})
    mean.update(2, lambda: {"a": torch.tensor([8.0])})
    assert mean.weights["a"].item() == pytest.approx(6.0)
