"""Train the LoRA adapter: the training loop, the loss over answer tokens and the learning rate.

Only the tokens of the answer (the last message) count towards the loss. A resumed training gives
the same weights as an uninterrupted one.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from peft import PeftModel, set_peft_model_state_dict
from torch import Tensor
from torch.nn.functional import cross_entropy

from models.industrial_llm import lora
from models.industrial_llm.answer_states import IGNORED_TOKEN, AnswerReader, SharedPrefix
from models.industrial_llm.averaging import WeightAverage
from models.industrial_llm.batches import Batch, TrainingDialogue
from models.industrial_llm.candidates import SampledSoftmax
from models.industrial_llm.checkpoints import Checkpoint, CheckpointStore
from models.industrial_llm.encoding import ChatTemplateError, DialogueEncoder, EncodedDialogue
from models.industrial_llm.recipes import Recipe


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """The state of a training after a step.

    Losses are nats per answer token. `seconds` is the time since this run started at step
    `resumed_from`. `validation_loss` is None if it was not computed at this step. `averaged_steps`
    is the number of steps whose weights were averaged; 0 for the weights of the last step.
    """

    step: int
    total_steps: int
    loss: float
    validation_loss: float | None
    seconds: float
    resumed_from: int = 0
    averaged_steps: int = 0

    @property
    def remaining_seconds(self) -> float:
        """Estimate the seconds until the end of the training, from the average step time."""
        return self.seconds / (self.step - self.resumed_from) * (self.total_steps - self.step)


ProgressCallback = Callable[[TrainingProgress], None]


@dataclass(frozen=True, slots=True)
class TrainingIntervals:
    """Numbers of steps between checkpoints, progress reports and validation runs."""

    checkpoint: int
    progress: int = 10
    validation: int = 200


@dataclass(frozen=True, slots=True)
class Trainer:
    """Trains the adapter of a base model and computes losses."""

    model: PeftModel
    encoder: DialogueEncoder
    recipe: Recipe
    device: str = "cpu"

    def train(
        self,
        batches: Sequence[Batch],
        validation: Sequence[TrainingDialogue],
        checkpoints: CheckpointStore,
        report: ProgressCallback,
        intervals: TrainingIntervals,
    ) -> None:
        """Train on all batches, resuming from the latest checkpoint. Raises CheckpointMismatch."""
        optimizer = torch.optim.AdamW(self._trainable_weights(), lr=self.recipe.learning_rate)
        average = WeightAverage(len(batches) - round(self.recipe.averaged * len(batches)) + 1)
        first_step = self._resume(checkpoints, optimizer, average)
        sampled_softmax = self._answer_softmax(batches)
        # In the warm-up tokens outside all answers still have much probability: use every position.
        full_softmax, warm_up = (
            replace(sampled_softmax, sampling_ratio=1),
            _warm_up_steps(self.recipe, len(batches)),
        )
        started, losses = time.monotonic(), list[float]()
        for step in range(first_step, len(batches)):
            _set_learning_rate(optimizer, self.recipe, step, len(batches))
            # Seeded per step, so that a checkpoint needs no state of the random generator.
            torch.manual_seed(self.recipe.seed * 1_000_003 + step)
            softmax = full_softmax if step < warm_up else sampled_softmax
            losses.append(self._train_step(batches[step], optimizer, softmax))
            completed, is_last = step + 1, step + 1 == len(batches)
            average.update(completed, partial(lora.copy_adapter_weights, self.model))
            if completed % intervals.checkpoint == 0 and not is_last:
                adapter = lora.copy_adapter_weights(self.model)
                checkpoints.save(
                    Checkpoint(completed, adapter, optimizer.state_dict(), average.weights)
                )
            if completed % intervals.progress == 0 or is_last:
                validation_loss = (
                    self.mean_loss(validation)
                    if validation and (_is_validation_due(completed, intervals) or is_last)
                    else None
                )
                loss = sum(losses) / len(losses)
                seconds = time.monotonic() - started
                progress = TrainingProgress(
                    completed, len(batches), loss, validation_loss, seconds, first_step
                )
                report(progress)
                losses.clear()
                if is_last and average.weights:
                    report(self._apply_average(average, progress, validation))

    def _apply_average(
        self,
        average: WeightAverage,
        progress: TrainingProgress,
        validation: Sequence[TrainingDialogue],
    ) -> TrainingProgress:
        """Load the averaged weights into the model and return their validation loss."""
        set_peft_model_state_dict(self.model, average.weights)
        validation_loss = self.mean_loss(validation) if validation else None
        return replace(
            progress,
            validation_loss=validation_loss,
            averaged_steps=progress.step - average.first_step + 1,
        )

    def token_count(self, dialogue: TrainingDialogue) -> int:
        """Return the number of tokens of a dialogue, including its answer."""
        return len(self._encode(dialogue))

    def mean_loss(self, dialogues: Sequence[TrainingDialogue]) -> float:
        """Return the mean loss of the dialogues' answer tokens in nats, without training."""
        self.model.eval()
        with torch.inference_mode():
            parts = [self._summed_loss(*one) for one in self._micro_batches(dialogues)]
        self.model.train()
        return sum(float(loss) for loss, _ in parts) / sum(count for _, count in parts)

    def count_exact_matches(self, dialogues: Sequence[TrainingDialogue]) -> int:
        """Count the answers that greedy decoding reproduces exactly.

        An answer matches if each of its tokens is the most likely one after the correct tokens
        before it.
        """
        self.model.eval()
        with torch.inference_mode():
            matches = sum(
                self._count_exact_in_batch(*one) for one in self._micro_batches(dialogues)
            )
        self.model.train()
        return matches

    def _count_exact_in_batch(
        self, encoded: Sequence[EncodedDialogue], prefix: SharedPrefix
    ) -> int:
        """Count the exactly reproduced answers of one micro-batch."""
        states = self._reader.read(encoded, prefix)
        predicted_ids = torch.full_like(states.target_ids, IGNORED_TOKEN)
        predicted_ids[states.is_target] = self._reader.logits(states.hidden).argmax(dim=-1)
        return int((predicted_ids == states.target_ids).all(dim=1).sum())

    def _answer_softmax(self, batches: Sequence[Batch]) -> SampledSoftmax:
        """Return the sampled softmax loss over the tokens that occur in the batches' answers."""
        dialogues = {dialogue.key: dialogue for batch in batches for dialogue in batch}
        answers = (self._encode(dialogue).answer for dialogue in dialogues.values())
        return SampledSoftmax.from_answers(answers, self.device)

    def _train_step(
        self, batch: Batch, optimizer: torch.optim.Optimizer, softmax: SampledSoftmax
    ) -> float:
        """Update the weights on one batch, with gradient accumulation, and return its mean loss."""
        self.model.train()
        optimizer.zero_grad(set_to_none=True)
        micro_batches = list(self._micro_batches(batch))
        token_count = sum(len(one.answer) for encoded, _ in micro_batches for one in encoded)
        total = 0.0
        for encoded, prefix in micro_batches:
            states = self._reader.read(encoded, prefix)
            loss = softmax.loss(
                states.hidden, self._reader.output_weights, states.target_ids[states.is_target]
            )
            torch.autograd.backward(loss / token_count)
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self._trainable_weights(), self.recipe.clip)
        optimizer.step()
        return total / token_count

    def _summed_loss(
        self, encoded: Sequence[EncodedDialogue], prefix: SharedPrefix
    ) -> tuple[Tensor, int]:
        """Return the summed loss of the answer tokens in nats, and their number."""
        states = self._reader.read(encoded, prefix)
        target_ids = states.target_ids[states.is_target]
        logits = self._reader.logits(states.hidden).float()
        return cross_entropy(logits, target_ids, reduction="sum"), len(target_ids)

    @property
    def _reader(self) -> AnswerReader:
        """Return the model with its device, as the reader of answers."""
        return AnswerReader(self.model, self.device)

    def _encode(self, dialogue: TrainingDialogue) -> EncodedDialogue:
        """Tokenize a dialogue. Raises ChatTemplateError if it exceeds the recipe's token limit."""
        encoded = self.encoder.encode(dialogue)
        if len(encoded) > self.recipe.limit:
            raise ChatTemplateError(
                f"{dialogue.label} has {len(encoded)} tokens, more than {self.recipe.limit}."
            )
        return encoded

    def _micro_batches(
        self, dialogues: Sequence[TrainingDialogue]
    ) -> Iterator[tuple[Sequence[EncodedDialogue], SharedPrefix]]:
        """Tokenize dialogues and split them into micro-batches that fit into memory.

        What all of them begin with is computed once if the recipe says so.
        """
        encoded = list(map(self._encode, dialogues))
        prefix = (
            self._reader.shared_prefix(encoded) if self.recipe.shares_prefix else SharedPrefix()
        )
        for micro_batch in split_to_fit(encoded, self.recipe, prefix.length):
            yield micro_batch, prefix

    def _resume(
        self, checkpoints: CheckpointStore, optimizer: torch.optim.Optimizer, average: WeightAverage
    ) -> int:
        """Restore the training state from the latest checkpoint. Returns the step to start at."""
        checkpoint = checkpoints.load_latest()
        if checkpoint is None:
            return 0
        average.weights = checkpoint.mean
        set_peft_model_state_dict(self.model, checkpoint.adapter)
        optimizer.load_state_dict(checkpoint.optimizer)
        return checkpoint.step

    def _trainable_weights(self) -> list[Tensor]:
        """Return the adapter's weights; the base model is frozen."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]


def learning_rate_at(recipe: Recipe, step: int, total_steps: int) -> float:
    """Return the learning rate of a step: linear warm-up, then cosine decay to a tenth."""
    warm_up = _warm_up_steps(recipe, total_steps)
    if step < warm_up:
        return recipe.learning_rate * (step + 1) / warm_up
    decay_share = (step - warm_up) / max(1, total_steps - warm_up)
    return recipe.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * decay_share)))


def _warm_up_steps(recipe: Recipe, total_steps: int) -> int:
    """Return the number of warm-up steps, at least 1."""
    return max(1, round(recipe.warm_up * total_steps))


def _set_learning_rate(
    optimizer: torch.optim.Optimizer, recipe: Recipe, step: int, total_steps: int
) -> None:
    """Set the optimizer's learning rate for a step."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate_at(recipe, step, total_steps)


def _is_validation_due(completed_steps: int, intervals: TrainingIntervals) -> bool:
    """Return whether a validation interval ended since the last progress report."""
    return (
        completed_steps // intervals.validation
        > (completed_steps - intervals.progress) // intervals.validation
    )


def split_to_fit(
    encoded: Sequence[EncodedDialogue], recipe: Recipe, shared: int
) -> Iterator[Sequence[EncodedDialogue]]:
    """Split dialogues into micro-batches of the recipe's size, without `shared` first tokens."""
    micro_batch: list[EncodedDialogue] = []
    longest = 0
    for one in encoded:
        length = max(longest, len(one) - shared)
        is_full = (
            len(micro_batch) == recipe.together
            or length * (len(micro_batch) + 1) > recipe.micro_tokens
        )
        if micro_batch and is_full:
            yield micro_batch
            micro_batch, length = [], len(one) - shared
        micro_batch.append(one)
        longest = length
    if micro_batch:
        yield micro_batch
