"""What a learned token is told apart from, without scoring a whole vocabulary each time.

A small base with a vocabulary of a quarter million spends two fifths of its learning on scores of
tokens that no answer has. So the loss is taken in two: which of the answers' tokens it is, looked
at everywhere; and whether it is one of them at all, which needs every score and is looked at in
some places that speak for the others. The sum is, on average, the loss over the whole vocabulary.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

SHARE = 8
# Of a few places each counts for much, and would now and then pull far aside.
_FEWEST = 32


@dataclass(frozen=True, slots=True)
class Candidates:
    """`answers`: the token ids that answers are made of, in their order; of so many places as
    `share` says one is looked at whole."""

    answers: Tensor
    share: int = SHARE

    @classmethod
    def of(cls, answers: Iterable[Iterable[int]], device: str) -> Self:
        """From all answers that will be learned, as token ids."""
        found = sorted({token for answer in answers for token in answer})
        return cls(torch.tensor(found, device=device))

    def loss(self, hidden: Tensor, head: Tensor, wanted: Tensor) -> Tensor:
        """The sum, in nats, over places: `hidden` [places, width], the output's `head`
        [vocabulary, width] and the tokens `wanted` [places], each of which is one of `answers`."""
        among = linear(hidden, head[self.answers]).float()
        which = cross_entropy(among, torch.searchsorted(self.answers, wanted), reduction="sum")
        count = max(_FEWEST, len(hidden) // self.share)
        some = torch.randperm(len(hidden), device=hidden.device)[:count]
        whole = linear(hidden[some], head).float().logsumexp(dim=-1)
        beside = whole - among[some].logsumexp(dim=-1)
        return which + beside.sum() * (len(hidden) / len(some))
