"""A customer's training file: dialogues in OpenAI's form, a JSON object a line.

Owns what a line may be, what is refused by line and field, and which dialogues are kept apart.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
# Of lines that are doubtful so many are told by their numbers.
_TOLD = 5


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    """What follows `content` OpenAI's lines may have, and is refused by its name."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | None = None
    tool_calls: Any = None
    tool_call_id: Any = None
    function_call: Any = None


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    messages: list[_Message]
    tools: Any = None
    functions: Any = None
    parallel_tool_calls: Any = None


_TOOLS = ("tools", "functions", "parallel_tool_calls")
_CALLS = ("tool_calls", "tool_call_id", "function_call")


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
    """What is learned from and what is kept apart; `repeated` are lines that said one again, and
    `contradictory` those of each question that has several answers."""

    learned: tuple[Dialogue, ...]
    apart: tuple[Dialogue, ...]
    repeated: tuple[int, ...]
    contradictory: tuple[tuple[int, ...], ...]

    @property
    def counted(self) -> str:
        return f"{len(self.learned)} dialogues are learned from, {len(self.apart)} kept apart."

    @property
    def doubts(self) -> tuple[str, ...]:
        """What the customer may not have meant, in sentences."""
        said = []
        if self.repeated:
            lines = _some([str(line) for line in self.repeated])
            said.append(f"{len(self.repeated)} lines say one again and count once: {lines}.")
        if self.contradictory:
            lines = _some([" and ".join(map(str, group)) for group in self.contradictory])
            said.append(
                f"{len(self.contradictory)} questions have several answers, which cannot all be "
                f"learned; see the lines {lines}."
            )
        return tuple(said)


def read(training_file: bytes) -> Divided:
    """Raises TrainingFileInvalid, naming the line and the field."""
    _require_short_lines(training_file)
    given = [_dialogue(number, line) for number, line in examples(training_file, _Line)]
    different = list({one.key: one for one in reversed(given)}.values())[::-1]
    first = {one.line for one in different}
    if not FEWEST <= len(different) <= MOST:
        raise TrainingFileInvalid(
            f"There are {len(different)} different dialogues; from {FEWEST} to {MOST:,} are taken."
        )
    if len({one.turns[-1] for one in different}) < 2:
        raise TrainingFileInvalid("All answers are the same: there is nothing to tell apart.")
    return _divided(different, tuple(one.line for one in given if one.line not in first))


def _require_short_lines(training_file: bytes) -> None:
    for number, line in enumerate(training_file.splitlines(), 1):
        if len(line) > MOST_BYTES:
            raise TrainingFileInvalid(f"Line {number} has more than {MOST_BYTES >> 10} KiB.")


def _require_no_tools(number: int, line: _Line) -> None:
    """Calls of tools are no text, and a template for text would leave them out in silence."""
    found = [f"`{name}`" for name in _TOOLS if getattr(line, name) is not None]
    for at, one in enumerate(line.messages):
        found += [f"`messages[{at}].{name}`" for name in _CALLS if getattr(one, name) is not None]
        if one.role in ("tool", "function"):
            found.append(f"`messages[{at}].role` ({one.role})")
    if found:
        raise TrainingFileInvalid(
            f"Line {number}, {found[0]}: calls of tools cannot be learned from a file. Leave such "
            "lines out, or write the call as the answer's text, in JSON."
        )


def _dialogue(number: int, line: _Line) -> Dialogue:
    _require_no_tools(number, line)
    for at, one in enumerate(line.messages):
        if not (one.content or "").strip():
            raise TrainingFileInvalid(f"Line {number}, `messages[{at}].content` is empty.")
    roles = ["system" if one.role == "developer" else one.role for one in line.messages]
    spoken = roles[1:] if roles[:1] == ["system"] else roles
    wanted = ["user", "assistant"] * (len(spoken) // 2)
    if not spoken or spoken != wanted:
        raise TrainingFileInvalid(
            f"Line {number}, `messages`: after at most one of `system`, `user` and `assistant` "
            "take turns, and the last message is the assistant's."
        )
    texts = [one.content or "" for one in line.messages]
    return Dialogue(number, tuple(zip(roles, texts, strict=True)))


def _divided(different: Sequence[Dialogue], repeated: tuple[int, ...]) -> Divided:
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
        tuple(tuple(one.line for one in group) for group in several if len(group) > 1),
    )


def _some(of: Sequence[str]) -> str:
    return ", ".join(of[:_TOLD]) + (" and others" if len(of) > _TOLD else "")
