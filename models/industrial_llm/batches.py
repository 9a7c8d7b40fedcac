"""In which order examples are learned from.

Owns going over each task as often as the recipe says, and steps of about equally long examples, so
that next to nothing is computed for padding. Same corpus, same recipe, same steps: a training that
goes on after a stop needs only the number of the step.
"""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.industrial_llm.chat import Message, taught
from models.industrial_llm.data import TASKS
from models.industrial_llm.examples import Example, Parts
from models.industrial_llm.recipes import Recipe

# Among so many steps' examples the lengths are sorted; wider, and long ones would come together.
_WINDOW = 32


class Taught(Protocol):
    """A dialogue whose last message is learned."""

    @property
    def messages(self) -> Sequence[Message]: ...

    @property
    def key(self) -> str:
        """Tells it from others."""
        ...

    @property
    def name(self) -> str:
        """What to call it before people."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """One example in one round over its task."""

    example: Example
    round: int

    @property
    def messages(self) -> Sequence[Message]:
        return taught(TASKS[self.example.task], self.example, self.round)

    @property
    def key(self) -> str:
        return f"{self.round}{self.example.text}{self.example.answer}"

    @property
    def name(self) -> str:
        return f"An example of {self.example.task} ({self.example.text[:60]!r})"


Step = tuple[Taught, ...]
Length = Callable[[Taught], int]
"""How many tokens it takes."""


def steps(corpus: Mapping[str, Parts], recipe: Recipe, length: Length) -> list[Step]:
    """All steps in order. Raises KeyError for a task that the recipe does not name."""
    chance = random.Random(recipe.seed)  # noqa: S311
    turns = [
        Turn(example, round)
        for task, parts in corpus.items()
        for round in range(recipe.rounds[task])
        for example in parts.train
    ]
    return arranged(turns, recipe.batch, length, chance)


def arranged(
    turns: Sequence[Taught], batch: int, length: Length, chance: random.Random
) -> list[Step]:
    """Steps of so many each, in an order by chance."""
    mixed = list(turns)
    chance.shuffle(mixed)
    windows = _cut(mixed, _WINDOW * batch)
    ordered = [one for window in windows for one in sorted(window, key=length)]
    found = _cut(ordered, batch)
    chance.shuffle(found)
    return found


def watched(corpus: Mapping[str, Parts], most: int, seed: int) -> list[Turn]:
    """Validation examples, evenly from the tasks, by which learning is watched."""
    chance = random.Random(seed)  # noqa: S311
    each = max(1, most // len(corpus)) if corpus else 0
    return [
        Turn(example, 0)
        for parts in corpus.values()
        for example in chance.sample(parts.validation, min(each, len(parts.validation)))
    ]


def fingerprint(found: Sequence[Step], recipe: Recipe, base: str) -> str:
    """What tells one training from another: a checkpoint of one is no start for the other."""
    digest = hashlib.sha256(f"{base} {sorted(_settings(recipe).items())}".encode())
    for step in found:
        for turn in step:
            digest.update(turn.key.encode())
    return digest.hexdigest()


def _settings(recipe: Recipe) -> dict[str, str]:
    return {name: str(getattr(recipe, name)) for name in Recipe.__dataclass_fields__}


def _cut(turns: Sequence[Taught], size: int) -> list[Step]:
    return [tuple(turns[at : at + size]) for at in range(0, len(turns), size)]
