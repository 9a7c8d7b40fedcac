"""Learning: steps over examples, of which only the answers count.

Owns the loss by which learning is judged, the rate, the loop and going on after a stop.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from peft import PeftModel, set_peft_model_state_dict
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from models.industrial_llm import lora
from models.industrial_llm.averaging import Mean
from models.industrial_llm.batches import Step, Taught
from models.industrial_llm.candidates import Candidates
from models.industrial_llm.checkpoints import Checkpoint, Checkpoints
from models.industrial_llm.encoding import Encoded, Encoder, TemplateUnfit
from models.industrial_llm.recipes import Recipe

_BESIDE = -100
"""Stands for a token that is not learned."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far it is: losses are nats for a token of an answer; `seconds` since this run began, with
    `begun` steps behind it.

    validation: over what is watched; None where it was not looked at. averaged: of the mean over
    so many steps, rather than of the last one.
    """

    step: int
    steps: int
    loss: float
    validation: float | None
    seconds: float
    begun: int = 0
    averaged: int = 0

    @property
    def left(self) -> float:
        """Seconds until it is done, if it goes on as it went."""
        return self.seconds / (self.step - self.begun) * (self.steps - self.step)


Report = Callable[[Reached], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """After how many steps it is told how far it is, what is watched is judged, and it is kept."""

    kept: int
    told: int = 10
    watched: int = 200


@dataclass(frozen=True, slots=True)
class Learner:
    """A base with an adapter, and how examples become tokens for it."""

    model: PeftModel
    encoder: Encoder
    recipe: Recipe
    device: str = "cpu"

    def learn(
        self,
        steps: Sequence[Step],
        watched: Sequence[Taught],
        kept: Checkpoints,
        report: Report,
        pace: Pace,
    ) -> None:
        """Go over all steps that no checkpoint has behind it. Raises CheckpointUnfit."""
        optimizer = torch.optim.AdamW(self._weights(), lr=self.recipe.learning_rate)
        mean = Mean(len(steps) - round(self.recipe.averaged * len(steps)) + 1)
        done = self._taken_up(kept, optimizer, mean)
        sampled = self._candidates(steps)
        # At first much is given to tokens that no answer has, and every place tells of others.
        whole, rise = replace(sampled, share=1), _rise(self.recipe, len(steps))
        began, losses = time.monotonic(), list[float]()
        for number in range(done, len(steps)):
            _set_rate(optimizer, self.recipe, number, len(steps))
            # Each step draws its own chances, so that going on needs no state of the generator.
            torch.manual_seed(self.recipe.seed * 1_000_003 + number)
            candidates = whole if number < rise else sampled
            losses.append(self._step(steps[number], optimizer, candidates))
            after, last = number + 1, number + 1 == len(steps)
            mean.take(after, partial(lora.taken, self.model))
            if after % pace.kept == 0 and not last:
                adapter = lora.taken(self.model)
                kept.save(Checkpoint(after, adapter, optimizer.state_dict(), mean.weights))
            if after % pace.told == 0 or last:
                seen = self.loss(watched) if watched and (_due(after, pace) or last) else None
                loss = sum(losses) / len(losses)
                took = time.monotonic() - began
                reached = Reached(after, len(steps), loss, seen, took, done)
                report(reached)
                losses.clear()
                if last and mean.weights:
                    report(self._settled(mean, reached, watched))

    def _settled(self, mean: Mean, reached: Reached, watched: Sequence[Taught]) -> Reached:
        """Take the mean for the last step's weights; how good it is."""
        set_peft_model_state_dict(self.model, mean.weights)
        seen = self.loss(watched) if watched else None
        return replace(reached, validation=seen, averaged=reached.step - mean.first + 1)

    def length(self, turn: Taught) -> int:
        """Of an example in tokens, its answer with it."""
        return len(self._encoded(turn))

    def loss(self, turns: Sequence[Taught]) -> float:
        """Of these, without learning from them."""
        self.model.eval()
        with torch.inference_mode():
            parts = [self._summed(some) for some in self._cut(turns)]
        self.model.train()
        return sum(float(loss) for loss, _ in parts) / sum(count for _, count in parts)

    def exact(self, turns: Sequence[Taught]) -> int:
        """How many answers come out to the letter: each token the likeliest after those before."""
        self.model.eval()
        with torch.inference_mode():
            right = sum(self._right(some) for some in self._cut(turns))
        self.model.train()
        return right

    def _right(self, turns: Sequence[Taught]) -> int:
        given, wanted = self._tensors([self._encoded(turn) for turn in turns])
        learned, scores = self._scores(given, wanted)
        said = torch.full_like(wanted, _BESIDE)
        said[learned] = scores.argmax(dim=-1)
        return int((said == wanted).all(dim=1).sum())

    def _candidates(self, steps: Sequence[Step]) -> Candidates:
        turns = {turn.key: turn for step in steps for turn in step}
        answers = (self._encoded(turn).answer for turn in turns.values())
        return Candidates.of(answers, self.device)

    def _step(self, step: Step, optimizer: torch.optim.Optimizer, candidates: Candidates) -> float:
        self.model.train()
        optimizer.zero_grad(set_to_none=True)
        encoded = [list(map(self._encoded, some)) for some in self._cut(step)]
        tokens = sum(len(one.answer) for some in encoded for one in some)
        total = 0.0
        for some in encoded:
            given, wanted = self._tensors(some)
            learned, hidden = self._hidden(given, wanted)
            loss = candidates.loss(hidden, self._head(), wanted[learned])
            torch.autograd.backward(loss / tokens)
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self._weights(), self.recipe.clip)
        optimizer.step()
        return total / tokens

    def _summed(self, turns: Sequence[Taught]) -> tuple[Tensor, int]:
        """The loss over the answers' tokens, and how many they are."""
        given, wanted = self._tensors([self._encoded(turn) for turn in turns])
        learned, scores = self._scores(given, wanted)
        loss = cross_entropy(scores.float(), wanted[learned], reduction="sum")
        return loss, int(learned.sum())

    def _scores(self, given: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Where something is to be learned, [texts, longest], and the scores of all tokens there,
        [places, tokens]."""
        learned, hidden = self._hidden(given, wanted)
        return learned, linear(hidden, self._head())

    def _hidden(self, given: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Where something is to be learned, [texts, longest], and what the model makes of the text
        up to there, [places, width]: scores are looked at nowhere else.

        Texts are filled up behind, where no token of a causal model looks, so no mask is needed.
        """
        causal: Any = self.model.get_base_model()
        # The adapter is in single precision, its products need not be: a tenth of a step's time.
        with torch.autocast(self.device, torch.bfloat16):
            hidden = causal.base_model(input_ids=given, use_cache=False).last_hidden_state
        learned = wanted != _BESIDE
        return learned, hidden[learned]

    def _head(self) -> Tensor:
        """The output's, [tokens, width]."""
        causal: Any = self.model.get_base_model()
        head: Tensor = causal.get_output_embeddings().weight
        return head

    def _tensors(self, encoded: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
        given, wanted = _padded(encoded)
        return given.to(self.device), wanted.to(self.device)

    def _encoded(self, turn: Taught) -> Encoded:
        encoded = self.encoder.encode(turn.messages)
        if len(encoded) > self.recipe.limit:
            raise TemplateUnfit(
                f"{turn.name} has {len(encoded)} tokens, more than {self.recipe.limit}."
            )
        return encoded

    def _cut(self, turns: Sequence[Taught]) -> Iterator[Sequence[Taught]]:
        for at in range(0, len(turns), self.recipe.together):
            yield turns[at : at + self.recipe.together]

    def _taken_up(self, kept: Checkpoints, optimizer: torch.optim.Optimizer, mean: Mean) -> int:
        last = kept.last()
        if last is None:
            return 0
        mean.weights = last.mean
        set_peft_model_state_dict(self.model, last.adapter)
        optimizer.load_state_dict(last.optimizer)
        return last.step

    def _weights(self) -> list[Tensor]:
        return [one for one in self.model.parameters() if one.requires_grad]


def rate(recipe: Recipe, step: int, steps: int) -> float:
    """Rising over the warm-up, then falling along a half cosine to a tenth."""
    rise = _rise(recipe, steps)
    if step < rise:
        return recipe.learning_rate * (step + 1) / rise
    along = (step - rise) / max(1, steps - rise)
    return recipe.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * along)))


def _rise(recipe: Recipe, steps: int) -> int:
    """In how many steps the rate rises."""
    return max(1, round(recipe.warm_up * steps))


def _set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, step: int, steps: int) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate(recipe, step, steps)


def _due(after: int, pace: Pace) -> bool:
    """Whether a multiple of `watched` was passed since it was told last."""
    return after // pace.watched > (after - pace.told) // pace.watched


def _padded(encoded: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
    """[texts, longest] each: what is read, and at each place the token that is to follow."""
    longest = max(map(len, encoded)) - 1
    given = torch.zeros(len(encoded), longest, dtype=torch.long)
    wanted = torch.full((len(encoded), longest), _BESIDE, dtype=torch.long)
    for row, one in enumerate(encoded):
        whole = torch.tensor(one.given + one.answer)
        given[row, : len(whole) - 1] = whole[:-1]
        start = len(one.given) - 1
        wanted[row, start : len(whole) - 1] = whole[len(one.given) :]
    return given, wanted
