"""Approximate the cross-entropy over a large vocabulary by sampling positions.

A small base model with a vocabulary of 262,144 tokens spends two fifths of its training on logits
of tokens that occur in no answer. The loss is split in two: which of the answers' tokens follows,
computed at every position; and whether one of them follows at all, which needs the whole vocabulary
and is computed at sampled positions. The sum is an unbiased estimate of the full loss.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

SAMPLING_RATIO = 8
# With few sampled positions the variance of the gradient would be too high.
_MIN_SAMPLED_POSITIONS = 32


@dataclass(frozen=True, slots=True)
class SampledSoftmax:
    """A cross-entropy loss with a sampled normalization over the vocabulary.

    `token_ids` are the sorted ids of all tokens in the answers. The whole vocabulary is used at one
    in `sampling_ratio` positions.
    """

    token_ids: Tensor
    sampling_ratio: int = SAMPLING_RATIO

    @classmethod
    def from_answers(cls, answers: Iterable[Iterable[int]], device: str) -> Self:
        """Create the loss from the token ids of all answers to train on."""
        token_ids = sorted({token for answer in answers for token in answer})
        return cls(torch.tensor(token_ids, device=device))

    def loss(self, hidden: Tensor, output_weights: Tensor, target_ids: Tensor) -> Tensor:
        """Return the loss in nats, summed over positions.

        `hidden` [positions, width] are the hidden states, `output_weights` [vocabulary, width] the
        output layer, `target_ids` [positions] the correct tokens, each of which is in `token_ids`.
        """
        answer_logits = linear(hidden, output_weights[self.token_ids]).float()
        answer_loss = cross_entropy(
            answer_logits, torch.searchsorted(self.token_ids, target_ids), reduction="sum"
        )
        count = max(_MIN_SAMPLED_POSITIONS, len(hidden) // self.sampling_ratio)
        sampled = torch.randperm(len(hidden), device=hidden.device)[:count]
        full_logsumexp = linear(hidden[sampled], output_weights).float().logsumexp(dim=-1)
        membership_loss = full_logsumexp - answer_logits[sampled].logsumexp(dim=-1)
        return answer_loss + membership_loss.sum() * (len(hidden) / len(sampled))
