"""The sampled softmax loss, compared with the loss over the whole vocabulary."""

from typing import TYPE_CHECKING

import pytest

from infra.lazy_import import LazyModule
from tests.support.heavy import NEEDS_TORCH

if TYPE_CHECKING:
    import torch

    from models.industrial_llm import candidates
else:
    torch = LazyModule("torch")
    candidates = LazyModule("models.industrial_llm.candidates")

pytestmark = NEEDS_TORCH

VOCABULARY, WIDTH, PLACES = 300, 16, 320
ANSWERS = [(7, 3, 290), (3, 50)]


@pytest.fixture
def given() -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
    """Hidden states, output weights and target tokens."""
    torch.manual_seed(1)
    hidden = torch.randn(PLACES, WIDTH, requires_grad=True)
    wanted = torch.tensor([3, 7, 50, 290])[torch.randint(4, (PLACES,))]
    return hidden, torch.randn(VOCABULARY, WIDTH), wanted


def whole(hidden: "torch.Tensor", head: "torch.Tensor", wanted: "torch.Tensor") -> "torch.Tensor":
    return torch.nn.functional.cross_entropy(hidden @ head.T, wanted, reduction="sum")


def test_sampled_softmax_uses_each_answer_token_once() -> None:
    assert candidates.SampledSoftmax.from_answers(ANSWERS, "cpu").token_ids.tolist() == [
        3,
        7,
        50,
        290,
    ]


def test_sampled_softmax_with_ratio_1_equals_full_loss(
    given: "tuple[torch.Tensor, torch.Tensor, torch.Tensor]",
) -> None:
    hidden, head, wanted = given
    answers = candidates.SampledSoftmax.from_answers(ANSWERS, "cpu").token_ids
    loss = candidates.SampledSoftmax(answers, sampling_ratio=1).loss(hidden, head, wanted)
    assert loss.item() == pytest.approx(whole(hidden, head, wanted).item(), rel=1e-4)
    (found,) = torch.autograd.grad(loss, hidden)
    (right,) = torch.autograd.grad(whole(hidden, head, wanted), hidden)
    assert torch.allclose(found, right, atol=1e-4)


def test_sampled_softmax_equals_full_loss_on_average(
    given: "tuple[torch.Tensor, torch.Tensor, torch.Tensor]",
) -> None:
    hidden, head, wanted = given
    some = candidates.SampledSoftmax.from_answers(ANSWERS, "cpu")
    losses = [some.loss(hidden, head, wanted).item() for _ in range(2_000)]
    assert len(set(losses)) > 100
    assert sum(losses) / len(losses) == pytest.approx(whole(hidden, head, wanted).item(), rel=0.01)


def test_sampled_softmax_accepts_a_single_position() -> None:
    loss = candidates.SampledSoftmax.from_answers([(1,)], "cpu").loss(
        torch.ones(1, 2), torch.ones(4, 2), torch.tensor([1])
    )
    assert loss.item() == pytest.approx(1.3863, abs=1e-4)
