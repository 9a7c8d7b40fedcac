"""Training dialogues that offer specialist models as functions, as programs and agents do.

The dialogues of a batch offer the same functions in the same order, so that the long description of
these is computed once (answer_states.py). Most batches offer a few of the functions, so that the
model reads what is offered instead of recalling the whole catalog.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from models.industrial_llm.batches import Batch
from models.industrial_llm.chat import Message, assistant_message, user_message
from models.industrial_llm.examples import Example, Schema
from models.industrial_llm.tasks.extraction import dump_json
from models.industrial_llm.tasks.tools import Tool, function_tools


@dataclass(frozen=True, slots=True)
class FunctionDialogue:
    """A request with functions; the answer is a call, or the beginning of a text if none fits."""

    text: str
    answer: str
    tools: tuple[Schema, ...]
    is_unfinished: bool

    @property
    def messages(self) -> Sequence[Message]:
        """Return request and answer as chat messages."""
        return [user_message(self.text), assistant_message(self.answer)]

    @property
    def key(self) -> str:
        """Return an identifier of the content: the functions' names, text and answer joined."""
        names = ",".join(one["function"]["name"] for one in self.tools)
        return f"{names}\n{self.text}\n{self.answer}"

    @property
    def label(self) -> str:
        """Return how error messages name the dialogue."""
        return f"A request with {len(self.tools)} functions ({self.text[:60]!r})"


@dataclass(frozen=True, slots=True)
class BatchContents:
    """How many requests of each kind a batch has.

    `filled` state arguments, `bare` none; `other` need no tool, `absent` one that is not offered.
    Batches offer between `fewest` and `most` tools, and one in `full_period` all.
    """

    batches: int
    filled: int = 13
    bare: int = 4
    other: int = 5
    absent: int = 2
    fewest: int = 3
    most: int = 7
    full_period: int = 4


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """The tools of a batch in order, its requests for them and its requests for a text."""

    tools: tuple[Tool, ...]
    calls: tuple[Example, ...]
    texts: tuple[Example, ...]


def render_call(answer: str) -> str:
    """Return an answer of the task `tool_choice` as the call that the chat template asks for."""
    choice = json.loads(answer)
    return dump_json({"name": choice["tool"], "arguments": choice["arguments"]})


def plan_batches(
    examples: Sequence[Example], tools: Sequence[Tool], contents: BatchContents, seed: int
) -> list[PlannedBatch]:
    """Choose the tools and requests of each batch; requests repeat only if there are too few."""
    generator = random.Random(seed)  # noqa: S311
    supply = _Supply(examples, generator)
    return [
        _plan_batch(supply, _offered(tools, contents, number, generator), tools, contents)
        for number in range(contents.batches)
    ]


def build_function_batches(
    planned: Sequence[PlannedBatch], beginnings: Mapping[str, str], generator: random.Random
) -> list[Batch]:
    """Return the dialogues of all batches, each shuffled.

    `beginnings` are the first words of a text answer by request; a request without one is left out.
    """
    return [_build_batch(one, beginnings, generator) for one in planned]


class _Supply:
    """Hands out examples by tool and kind, each once before any is repeated."""

    def __init__(self, examples: Sequence[Example], generator: random.Random) -> None:
        groups: dict[tuple[str | None, bool], list[Example]] = {}
        for one in generator.sample(list(examples), len(examples)):
            choice: Mapping[str, Any] = json.loads(one.answer)
            groups.setdefault((choice["tool"], bool(choice["arguments"])), []).append(one)
        self._groups: dict[tuple[str | None, bool], Iterator[Example]] = {
            key: cycle(group) for key, group in groups.items()
        }

    def take(
        self, tools: Sequence[str | None], count: int, *, with_arguments: bool
    ) -> list[Example]:
        """Return so many examples, of the tools in turn; none if no tool has any."""
        groups = [
            self._groups[tool, with_arguments]
            for tool in tools
            if (tool, with_arguments) in self._groups
        ]
        return [next(groups[number % len(groups)]) for number in range(count)] if groups else []


def _offered(
    tools: Sequence[Tool], contents: BatchContents, number: int, generator: random.Random
) -> tuple[Tool, ...]:
    """Return the tools that a batch offers, in random order."""
    if number % contents.full_period == 0:
        return tuple(generator.sample(list(tools), len(tools)))
    return tuple(generator.sample(list(tools), generator.randint(contents.fewest, contents.most)))


def _plan_batch(
    supply: _Supply, offered: tuple[Tool, ...], tools: Sequence[Tool], contents: BatchContents
) -> PlannedBatch:
    """Choose the requests of a batch that offers some of the tools."""
    names = [tool.id for tool in offered]
    missing = [tool.id for tool in tools if tool not in offered]
    calls = [
        *supply.take(names, contents.filled, with_arguments=True),
        *supply.take(names, contents.bare, with_arguments=False),
    ]
    texts = [
        *supply.take([None], contents.other, with_arguments=False),
        *supply.take(missing, contents.absent, with_arguments=False),
    ]
    return PlannedBatch(offered, tuple(calls), tuple(texts))


def _build_batch(
    planned: PlannedBatch, beginnings: Mapping[str, str], generator: random.Random
) -> Batch:
    """Return the dialogues of one batch in random order."""
    tools = function_tools(planned.tools)
    dialogues = [
        FunctionDialogue(one.text, render_call(one.answer), tools, is_unfinished=False)
        for one in planned.calls
    ] + [
        FunctionDialogue(one.text, beginnings[one.text], tools, is_unfinished=True)
        for one in planned.texts
        if one.text in beginnings
    ]
    return tuple(generator.sample(dialogues, len(dialogues)))
