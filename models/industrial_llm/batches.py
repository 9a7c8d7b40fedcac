"""Build the training batches: examples repeated per epoch, shuffled, and sorted by length.

Batches hold examples of similar length, so that almost no padding is computed. The same corpus and
recipe give the same batches: a resumed training needs only the number of the step.
"""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.industrial_llm.chat import Message, training_messages
from models.industrial_llm.data import TASKS
from models.industrial_llm.examples import DatasetSplit, Example, Schema
from models.industrial_llm.recipes import Recipe

# Examples are sorted by length within windows of so many batches. In wider windows long examples
# would follow each other.
_SORT_WINDOW_BATCHES = 32


class TrainingDialogue(Protocol):
    """A dialogue to train on; its last message is the answer."""

    @property
    def messages(self) -> Sequence[Message]:
        """The chat messages, the answer last."""
        ...

    @property
    def tools(self) -> Sequence[Schema]:
        """OpenAI's functions that the dialogue offers; mostly none."""
        ...

    @property
    def is_unfinished(self) -> bool:
        """Whether the answer is only the beginning of one, whose end is not trained."""
        ...

    @property
    def key(self) -> str:
        """Return an identifier of the dialogue's content."""
        ...

    @property
    def label(self) -> str:
        """Return how error messages name the dialogue."""
        ...


@dataclass(frozen=True, slots=True)
class ScheduledExample:
    """A task's example in one epoch."""

    example: Example
    epoch: int
    tools: tuple[Schema, ...] = ()
    is_unfinished: bool = False

    @property
    def messages(self) -> Sequence[Message]:
        """Return the example as chat messages, varied by epoch."""
        return training_messages(TASKS[self.example.task], self.example, self.epoch)

    @property
    def key(self) -> str:
        """Return an identifier of the content: epoch, text and answer joined."""
        return f"{self.epoch}{self.example.text}{self.example.answer}"

    @property
    def label(self) -> str:
        """Return how error messages name the example."""
        return f"An example of {self.example.task} ({self.example.text[:60]!r})"


Batch = tuple[TrainingDialogue, ...]
TokenCounter = Callable[[TrainingDialogue], int]
"""Returns the number of tokens of a dialogue."""


def build_batches(
    corpus: Mapping[str, DatasetSplit], recipe: Recipe, count_tokens: TokenCounter
) -> list[Batch]:
    """Build all batches of a training in order. Raises KeyError for a task the recipe lacks."""
    generator = random.Random(recipe.seed)  # noqa: S311
    scheduled = [
        ScheduledExample(example, epoch)
        for task, split in corpus.items()
        for epoch in range(recipe.rounds[task])
        for example in _sample(split.train, recipe.examples.get(task), generator)
    ]
    return shuffle_into_batches(scheduled, recipe.batch, count_tokens, generator)


def _sample(
    examples: Sequence[Example], limit: int | None, generator: random.Random
) -> Sequence[Example]:
    """Return at most `limit` of the examples, chosen at random; all without a limit."""
    if limit is None or limit >= len(examples):
        return examples
    return generator.sample(examples, limit)


def shuffle_into_batches(
    dialogues: Sequence[TrainingDialogue],
    batch_size: int,
    count_tokens: TokenCounter,
    generator: random.Random,
) -> list[Batch]:
    """Shuffle dialogues into batches of similar token counts."""
    shuffled = list(dialogues)
    generator.shuffle(shuffled)
    windows = _chunk(shuffled, _SORT_WINDOW_BATCHES * batch_size)
    ordered = [dialogue for window in windows for dialogue in sorted(window, key=count_tokens)]
    batches = _chunk(ordered, batch_size)
    generator.shuffle(batches)
    return batches


def sample_validation(
    corpus: Mapping[str, DatasetSplit], limit: int, seed: int
) -> list[ScheduledExample]:
    """Sample validation examples, equally many from each task, at most about `limit`."""
    generator = random.Random(seed)  # noqa: S311
    per_task = max(1, limit // len(corpus)) if corpus else 0
    return [
        ScheduledExample(example, 0)
        for split in corpus.values()
        for example in generator.sample(split.validation, min(per_task, len(split.validation)))
    ]


def fingerprint(batches: Sequence[Batch], recipe: Recipe, base: str) -> str:
    """Return a SHA-256 of batches, recipe and base model.

    A checkpoint may only be resumed by a training with the same fingerprint.
    """
    digest = hashlib.sha256(f"{base} {sorted(_recipe_settings(recipe).items())}".encode())
    for batch in batches:
        for dialogue in batch:
            digest.update(dialogue.key.encode())
    return digest.hexdigest()


def _recipe_settings(recipe: Recipe) -> dict[str, str]:
    """Return the recipe's fields as text, for the fingerprint."""
    return {name: str(getattr(recipe, name)) for name in Recipe.__dataclass_fields__}


def _chunk(dialogues: Sequence[TrainingDialogue], size: int) -> list[Batch]:
    """Split dialogues into batches of `size`."""
    return [tuple(dialogues[at : at + size]) for at in range(0, len(dialogues), size)]
