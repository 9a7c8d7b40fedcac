"""The training file of a shared model: examples of accounts, and tasks that must be retained."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.shared_models.examples import Example
from models.industrial_llm.chat import taught
from models.industrial_llm.data import TASKS
from models.industrial_llm.examples import Example as TaskExample
from models.industrial_llm.examples import Parts
from models.industrial_llm.tasks.failure_mode import FMC

# For each example of an account so many of the tasks, but at least and at most these.
_REPLAYED_EACH, _FEWEST_REPLAYED, _MOST_REPLAYED = 2, 800, 4_000
# Its set states no licence: versions are judged by it, none learns from it (models card).
_NOT_LEARNED = frozenset({FMC})


@dataclass(frozen=True, slots=True)
class TrainingText:
    """Lines of the file, of which `examples[number]` gave those that an account gave; and how many
    examples of each task are replayed."""

    lines: tuple[bytes, ...]
    examples: Mapping[int, Example]
    replayed: Mapping[str, int]

    @property
    def content(self) -> bytes:
        return b"\n".join(self.lines) + b"\n"

    def without(self, number: int) -> "TrainingText":
        """The same without a line, by its number from 1."""
        kept = [at for at in range(1, len(self.lines) + 1) if at != number]
        examples = {to: self.examples[at] for to, at in enumerate(kept, 1) if at in self.examples}
        return TrainingText(tuple(self.lines[at - 1] for at in kept), examples, self.replayed)


def written(learned: Sequence[Example], corpus: Mapping[str, Parts], number: int) -> TrainingText:
    """`number` is the version's: with it the replayed examples and their wordings change."""
    replayed = _replayed(corpus, len(learned), number)
    lines = [_line(_messages(one)) for one in learned]
    lines += [_line(taught(TASKS[one.task], one, number)) for one in replayed]
    counts = Counter(one.task for one in replayed)
    return TrainingText(tuple(lines), dict(enumerate(learned, 1)), dict(sorted(counts.items())))


def _replayed(corpus: Mapping[str, Parts], learned: int, number: int) -> list[TaskExample]:
    """As many of each task as there are, or its equal part."""
    chance = random.Random(number)  # noqa: S311
    wanted = min(_MOST_REPLAYED, max(_FEWEST_REPLAYED, _REPLAYED_EACH * learned))
    tasks = {name: parts.without(_NOT_LEARNED).train for name, parts in corpus.items()}
    chosen: list[TaskExample] = []
    # Those with the fewest first: what they leave over the others share.
    left = sorted(tasks, key=lambda name: (len(tasks[name]), name))
    while left:
        name, part = left[0], (wanted - len(chosen)) // len(left)
        chosen += chance.sample(tasks[name], min(part, len(tasks[name])))
        left = left[1:]
    return chosen


def _messages(example: Example) -> list[dict[str, str]]:
    asked = [{"role": role, "content": content} for role, content in example.messages]
    return [*asked, {"role": "assistant", "content": example.answer}]


def _line(messages: Sequence[Mapping[str, str]]) -> bytes:
    return json.dumps({"messages": list(messages)}, ensure_ascii=False).encode()
