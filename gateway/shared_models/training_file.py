"""Build the training file of a shared model: accounts' examples plus replayed task examples.

Replaying examples of the original tasks prevents catastrophic forgetting.
"""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.shared_models.examples import SharedExample
from models.industrial_llm.chat import training_messages
from models.industrial_llm.data import TASKS
from models.industrial_llm.examples import DatasetSplit
from models.industrial_llm.examples import Example as TaskExample
from models.industrial_llm.tasks.failure_mode import FMC

# Replayed task examples per account example, with a minimum and a maximum.
_REPLAYED_PER_EXAMPLE, _MIN_REPLAYED, _MAX_REPLAYED = 2, 800, 4_000
# Longer ones could exceed the token limit of the training, which refuses the whole file.
_MAX_REPLAYED_CHARACTERS = 1_000
# The data set states no licence, so it is used for evaluation but not for training (model card).
_EVALUATION_ONLY_TASKS = frozenset({FMC})


@dataclass(frozen=True, slots=True)
class TrainingText:
    """A training file: JSONL lines, accounts' examples by line number, replayed counts by task."""

    lines: tuple[bytes, ...]
    examples: Mapping[int, SharedExample]
    replayed_counts: Mapping[str, int]

    @property
    def content(self) -> bytes:
        """The file's content: one JSON object per line."""
        return b"\n".join(self.lines) + b"\n"

    def without_line(self, number: int) -> "TrainingText":
        """Return a copy without the line with this number, from 1."""
        numbers = [at for at in range(1, len(self.lines) + 1) if at != number]
        examples = {
            new: self.examples[old] for new, old in enumerate(numbers, 1) if old in self.examples
        }
        return TrainingText(
            tuple(self.lines[at - 1] for at in numbers), examples, self.replayed_counts
        )


def build_training_text(
    account_examples: Sequence[SharedExample], corpus: Mapping[str, DatasetSplit], seed: int
) -> TrainingText:
    """Build the training file of a version.

    `seed`, the version number, varies the replayed examples and their wordings.
    """
    replayed = _sample_replayed(corpus, len(account_examples), seed)
    lines = [_encode_line(_chat_messages(example)) for example in account_examples]
    lines += [
        _encode_line(training_messages(TASKS[example.task], example, seed)) for example in replayed
    ]
    counts = Counter(example.task for example in replayed)
    return TrainingText(
        tuple(lines), dict(enumerate(account_examples, 1)), dict(sorted(counts.items()))
    )


def _sample_replayed(
    corpus: Mapping[str, DatasetSplit], account_example_count: int, seed: int
) -> list[TaskExample]:
    """Sample an equal number of examples per task, or all examples of smaller tasks."""
    generator = random.Random(seed)  # noqa: S311
    total = min(_MAX_REPLAYED, max(_MIN_REPLAYED, _REPLAYED_PER_EXAMPLE * account_example_count))
    tasks = {name: _replayable(parts) for name, parts in corpus.items()}
    chosen: list[TaskExample] = []
    # Smallest tasks first: the others share what they leave over.
    remaining = sorted(tasks, key=lambda name: (len(tasks[name]), name))
    while remaining:
        name, share = remaining[0], (total - len(chosen)) // len(remaining)
        chosen += generator.sample(tasks[name], min(share, len(tasks[name])))
        remaining = remaining[1:]
    return chosen


def _replayable(parts: DatasetSplit) -> list[TaskExample]:
    """Return a task's training examples that may be replayed."""
    return [
        example
        for example in parts.without_sources(_EVALUATION_ONLY_TASKS).train
        if len(example.text) + len(example.answer) <= _MAX_REPLAYED_CHARACTERS
    ]


def _chat_messages(example: SharedExample) -> list[dict[str, str]]:
    """Return the example as OpenAI chat messages, the answer last."""
    messages = [{"role": role, "content": content} for role, content in example.messages]
    return [*messages, {"role": "assistant", "content": example.answer}]


def _encode_line(messages: Sequence[Mapping[str, str]]) -> bytes:
    """Encode chat messages as one JSON line of a training file, without the line break."""
    return json.dumps({"messages": list(messages)}, ensure_ascii=False).encode()
