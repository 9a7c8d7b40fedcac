"""A customer's training file: dialogues in OpenAI's form, a JSON object a line.

Owns what a line may be, what is refused by line and field, and which dialogues are kept apart. Does
not own what is learned from them (adapt.py).
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from models.adaptation import TrainingFileInvalid, examples
from models.industrial_llm.chat import Message

FEWEST, MOST = 10, 20_000
# Of a line; what is longer than a model of this kind reads is refused before it is looked at.
MOST_BYTES = 64 << 10
# One kind of question in so many is kept apart.
HELD_OUT = 8
SEED = 20_171


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant"]
    content: str


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    messages: list[_Message]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """`line` is where it stood, from 1. The last message is the answer that is learned."""

    line: int
    turns: tuple[tuple[str, str], ...]

    @property
    def messages(self) -> Sequence[Message]:
        return [{"role": role, "content": content} for role, content in self.turns]

    @property
    def key(self) -> str:
        return json.dumps(self.turns, ensure_ascii=False)

    @property
    def name(self) -> str:
        return f"Line {self.line}"

    @property
    def question(self) -> tuple[tuple[str, str], ...]:
        """All before the answer."""
        return self.turns[:-1]


@dataclass(frozen=True, slots=True)
class Divided:
    """What is learned from and what is kept apart; `repeated` lines said one again, and so many
    questions have several answers, which cannot all be learned."""

    learned: tuple[Dialogue, ...]
    apart: tuple[Dialogue, ...]
    repeated: int
    contradicted: int


def read(training_file: bytes) -> Divided:
    """Raises TrainingFileInvalid, naming the line and the field."""
    _require_short_lines(training_file)
    given = [_dialogue(number, line) for number, line in examples(training_file, _Line)]
    different = list({one.key: one for one in reversed(given)}.values())[::-1]
    if not FEWEST <= len(different) <= MOST:
        raise TrainingFileInvalid(
            f"There are {len(different)} different dialogues; from {FEWEST} to {MOST:,} are taken."
        )
    if len({one.turns[-1] for one in different}) < 2:
        raise TrainingFileInvalid("All answers are the same: there is nothing to tell apart.")
    return _divided(different, len(given) - len(different))


def _require_short_lines(training_file: bytes) -> None:
    for number, line in enumerate(training_file.splitlines(), 1):
        if len(line) > MOST_BYTES:
            raise TrainingFileInvalid(f"Line {number} has more than {MOST_BYTES >> 10} KiB.")


def _dialogue(number: int, line: _Line) -> Dialogue:
    roles = [one.role for one in line.messages]
    spoken = roles[1:] if roles[:1] == ["system"] else roles
    wanted = ["user", "assistant"] * (len(spoken) // 2)
    if not spoken or spoken != wanted:
        raise TrainingFileInvalid(
            f"Line {number}, `messages`: after at most one of `system`, `user` and `assistant` "
            "take turns, and the last message is the assistant's."
        )
    for at, one in enumerate(line.messages):
        if not one.content.strip():
            raise TrainingFileInvalid(f"Line {number}, `messages[{at}].content` is empty.")
    return Dialogue(number, tuple((one.role, one.content) for one in line.messages))


def _divided(different: Sequence[Dialogue], repeated: int) -> Divided:
    """Dialogues with one question are on one side: else its answer would be known already."""
    groups: dict[object, list[Dialogue]] = defaultdict(list)
    for one in different:
        groups[one.question].append(one)
    if len(groups) < FEWEST:
        raise TrainingFileInvalid(
            f"There are {len(groups)} different questions; {FEWEST} are needed to see whether "
            "learning from them helps."
        )
    several = list(groups.values())
    order = np.random.default_rng(SEED).permutation(len(several))
    held = {int(at) for at in order[: max(2, len(several) // HELD_OUT)]}
    return Divided(
        tuple(one for at, group in enumerate(several) if at not in held for one in group),
        tuple(one for at, group in enumerate(several) if at in held for one in group),
        repeated,
        sum(len(group) > 1 for group in several),
    )
