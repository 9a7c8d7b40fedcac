"""Compute a model's hidden states at the answers of dialogues, with a common beginning only once.

Dialogues that offer the same functions begin with the same thousands of tokens. Their keys and
values are computed once per batch and without gradients: a step then costs a third of what it would
with each dialogue on its own. The adapter's effect on that beginning is trained only by what the
same weights learn at the other tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn.functional import linear
from transformers import DynamicCache

from models.industrial_llm.encoding import EncodedDialogue

IGNORED_TOKEN = -100
"""Target id of a position outside the answer (ignore_index of PyTorch's cross_entropy)."""
# A shorter beginning, such as an instruction, is trained with each dialogue.
MIN_SHARED_TOKENS = 256


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """The keys and values by layer, [1, heads, length, width] each, of `length` first tokens."""

    length: int = 0
    layers: tuple[tuple[Tensor, Tensor], ...] = ()

    def cache_for(self, texts: int) -> DynamicCache | None:
        """Return a cache of the prefix for so many texts, None without a prefix."""
        if not self.layers:
            return None
        cache = DynamicCache()
        for index, (keys, values) in enumerate(self.layers):
            shape = (texts, -1, -1, -1)
            cache.update(keys.expand(*shape), values.expand(*shape), index)
        return cache


@dataclass(frozen=True, slots=True)
class AnswerStates:
    """The target token ids [texts, length] and the hidden states [positions, width].

    Positions are those whose target is not IGNORED_TOKEN.
    """

    target_ids: Tensor
    hidden: Tensor

    @property
    def is_target(self) -> Tensor:
        """Return the mask of the answers' positions, [texts, length]."""
        return self.target_ids != IGNORED_TOKEN


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Runs a causal model over dialogues on a device.

    Beginnings of at least `min_shared` tokens are computed once.
    """

    model: PeftModel
    device: str = "cpu"
    min_shared: int = MIN_SHARED_TOKENS

    def shared_prefix(self, encoded: Sequence[EncodedDialogue]) -> SharedPrefix:
        """Compute what all prompts begin with; an empty prefix if that is short."""
        length = shared_length([one.prompt for one in encoded])
        if length < self.min_shared:
            return SharedPrefix()
        token_ids = torch.tensor([encoded[0].prompt[:length]], device=self.device)
        cache = DynamicCache()
        with torch.no_grad():
            self._run(token_ids, cache)
        layers: Any = cache.layers
        return SharedPrefix(length, tuple((one.keys, one.values) for one in layers))

    def read(self, encoded: Sequence[EncodedDialogue], prefix: SharedPrefix) -> AnswerStates:
        """Return the hidden states at the answers of dialogues that begin with the prefix.

        Texts are padded on the right. A causal model does not attend to later tokens, so no
        attention mask is needed.
        """
        input_ids, target_ids = pad_batch([one.after(prefix.length) for one in encoded])
        hidden = self._run(input_ids.to(self.device), prefix.cache_for(len(encoded)))
        target_ids = target_ids.to(self.device)
        return AnswerStates(target_ids, hidden[target_ids != IGNORED_TOKEN])

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits [positions, vocabulary] of hidden states."""
        return linear(hidden, self.output_weights)

    @property
    def output_weights(self) -> Tensor:
        """Return the weights of the output layer, [vocabulary, width]."""
        causal: Any = self.model.get_base_model()
        weights: Tensor = causal.get_output_embeddings().weight
        return weights

    def _run(self, input_ids: Tensor, cache: DynamicCache | None) -> Tensor:
        """Return the hidden states of all tokens; the cache, if any, is extended by them."""
        causal: Any = self.model.get_base_model()
        # Autocast to bfloat16 saves a tenth of a step's time; the adapter stays in float32.
        with torch.autocast(self.device, torch.bfloat16):
            states: Tensor = causal.base_model(
                input_ids=input_ids, cache=cache, use_cache=cache is not None
            ).last_hidden_state
        return states


def shared_length(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many first tokens all prompts share; at least one token of each is left."""
    columns = zip(*(prompt[:-1] for prompt in prompts), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def pad_batch(encoded: Sequence[EncodedDialogue]) -> tuple[Tensor, Tensor]:
    """Return input and target token ids, [texts, length] each, padded on the right.

    Targets are shifted by one token; positions outside the answer are IGNORED_TOKEN.
    """
    length = max(map(len, encoded)) - 1
    input_ids = torch.zeros(len(encoded), length, dtype=torch.long)
    target_ids = torch.full((len(encoded), length), IGNORED_TOKEN, dtype=torch.long)
    for row, dialogue in enumerate(encoded):
        token_ids = torch.tensor(dialogue.prompt + dialogue.answer)
        input_ids[row, : len(token_ids) - 1] = token_ids[:-1]
        start = len(dialogue.prompt) - 1
        target_ids[row, start : len(token_ids) - 1] = token_ids[len(dialogue.prompt) :]
    return input_ids, target_ids
