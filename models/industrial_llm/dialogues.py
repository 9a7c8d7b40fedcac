"""Parse and split a customer's training file: JSON lines of chat messages in OpenAI's format.

Invalid lines are refused with line number and field. Dialogues with the same question stay on the
same side of the split.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import msgspec
import numpy as np

from models.adaptation import TrainingFileInvalid, parse_examples
from models.industrial_llm.chat import Message
from models.industrial_llm.examples import Schema
from models.sentences import Sentence, listing, sentence

MIN_DIALOGUES, MAX_DIALOGUES = 10, 20_000
# Maximum size of a line, checked before parsing: longer dialogues exceed the model's context.
MAX_LINE_BYTES = 64 << 10
# One in so many different questions is held out.
HELD_OUT_PERIOD = 8
SEED = 20_171
# Line numbers listed in a warning.
_MAX_LISTED_LINES = 5


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    """A message of a line. The fields after `content` are valid for OpenAI and refused by name."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | None = None
    tool_calls: Any = None
    tool_call_id: Any = None
    function_call: Any = None


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the training file, with the fields that OpenAI allows."""

    messages: list[_Message]
    tools: Any = None
    functions: Any = None
    parallel_tool_calls: Any = None


_TOOL_FIELDS = ("tools", "functions", "parallel_tool_calls")
_TOOL_CALL_FIELDS = ("tool_calls", "tool_call_id", "function_call")


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A dialogue from `line` (from 1) of the training file; its last message is the answer to
    train.
    """

    line: int
    turns: tuple[tuple[str, str], ...]
    tools: tuple[Schema, ...] = ()
    is_unfinished: bool = False

    @property
    def messages(self) -> Sequence[Message]:
        """Return the dialogue as chat messages."""
        return [{"role": role, "content": content} for role, content in self.turns]

    @property
    def key(self) -> str:
        """Return the messages as JSON, to find duplicates."""
        return json.dumps(self.turns, ensure_ascii=False)

    @property
    def label(self) -> str:
        """Return how error messages name the dialogue."""
        return f"Line {self.line}"

    @property
    def question(self) -> tuple[tuple[str, str], ...]:
        """Return all messages before the answer."""
        return self.turns[:-1]


@dataclass(frozen=True, slots=True)
class DialogueSplit:
    """The training and held-out dialogues of a file.

    `duplicate_lines` are the lines that repeat an earlier dialogue; `conflicting_lines` groups the
    lines with the same question and different answers.
    """

    train: tuple[Dialogue, ...]
    held_out: tuple[Dialogue, ...]
    duplicate_lines: tuple[int, ...]
    conflicting_lines: tuple[tuple[int, ...], ...]

    @property
    def summary(self) -> Sentence:
        """Return a sentence with the numbers of training and held-out dialogues."""
        return sentence(
            "{count} dialogues are used for training, {held_out} are held out for validation.",
            count=len(self.train),
            held_out=len(self.held_out),
        )

    @property
    def warnings(self) -> tuple[Sentence, ...]:
        """Return warnings about duplicate and conflicting lines, as sentences."""
        sentences = []
        if self.duplicate_lines:
            sentences.append(
                sentence(
                    "{count} lines are duplicates and count once: {lines}.",
                    count=len(self.duplicate_lines),
                    lines=_join_some(self.duplicate_lines),
                )
            )
        if self.conflicting_lines:
            groups = [_join_all(group) for group in self.conflicting_lines]
            sentences.append(
                sentence(
                    "{count} questions have different answers, which cannot all be learned; see "
                    "lines {lines}.",
                    count=len(groups),
                    lines=_join_some(groups),
                )
            )
        return tuple(sentences)


def parse_training_file(training_file: bytes) -> DialogueSplit:
    """Parse a training file and split it into training and held-out dialogues.

    Raises TrainingFileInvalid with the line and the field.
    """
    _require_short_lines(training_file)
    dialogues = [
        _to_dialogue(number, line) for number, line in parse_examples(training_file, _Line)
    ]
    unique = list({dialogue.key: dialogue for dialogue in reversed(dialogues)}.values())[::-1]
    unique_lines = {dialogue.line for dialogue in unique}
    if not MIN_DIALOGUES <= len(unique) <= MAX_DIALOGUES:
        raise TrainingFileInvalid(
            sentence(
                "There are {count} different dialogues; {least} to {most:,} are allowed.",
                count=len(unique),
                least=MIN_DIALOGUES,
                most=MAX_DIALOGUES,
            )
        )
    if len({dialogue.turns[-1] for dialogue in unique}) < 2:
        raise TrainingFileInvalid(sentence("All answers are the same, so nothing can be learned."))
    return _split_by_question(
        unique, tuple(dialogue.line for dialogue in dialogues if dialogue.line not in unique_lines)
    )


def _require_short_lines(training_file: bytes) -> None:
    """Raise TrainingFileInvalid for a line longer than MAX_LINE_BYTES."""
    for number, line in enumerate(training_file.splitlines(), 1):
        if len(line) > MAX_LINE_BYTES:
            raise TrainingFileInvalid(
                sentence(
                    "Line {number} is larger than {most} KiB.",
                    number=number,
                    most=MAX_LINE_BYTES >> 10,
                )
            )


def _require_no_tools(line_number: int, line: _Line) -> None:
    """Raise TrainingFileInvalid for a line with tools or tool calls.

    A chat template for text would drop them silently.
    """
    fields = [f"`{name}`" for name in _TOOL_FIELDS if getattr(line, name) is not None]
    for index, message in enumerate(line.messages):
        fields += [
            f"`messages[{index}].{name}`"
            for name in _TOOL_CALL_FIELDS
            if getattr(message, name) is not None
        ]
        if message.role in ("tool", "function"):
            fields.append(f"`messages[{index}].role` ({message.role})")
    if fields:
        raise TrainingFileInvalid(
            sentence(
                "Line {line_number}, {fields}: tool calls are not supported in "
                "training files. Remove such lines, or write the call as JSON in the "
                "answer's text.",
                line_number=line_number,
                fields=fields[0],
            )
        )


def _to_dialogue(line_number: int, line: _Line) -> Dialogue:
    """Convert a line to a dialogue. Raises TrainingFileInvalid for empty or misordered messages."""
    _require_no_tools(line_number, line)
    for index, message in enumerate(line.messages):
        if not (message.content or "").strip():
            raise TrainingFileInvalid(
                sentence(
                    "Line {line_number}, `messages[{index}].content` is empty.",
                    line_number=line_number,
                    index=index,
                )
            )
    roles = ["system" if message.role == "developer" else message.role for message in line.messages]
    turn_roles = roles[1:] if roles[:1] == ["system"] else roles
    expected_roles = ["user", "assistant"] * (len(turn_roles) // 2)
    if not turn_roles or turn_roles != expected_roles:
        raise TrainingFileInvalid(
            sentence(
                "Line {line_number}, `messages`: after at most one `system` message, "
                "`user` and `assistant` must alternate, and the last message must be "
                "from `assistant`.",
                line_number=line_number,
            )
        )
    texts = [message.content or "" for message in line.messages]
    return Dialogue(line_number, tuple(zip(roles, texts, strict=True)))


def _split_by_question(
    dialogues: Sequence[Dialogue], duplicate_lines: tuple[int, ...]
) -> DialogueSplit:
    """Hold out whole questions, so that no held-out answer was trained on."""
    by_question: dict[object, list[Dialogue]] = defaultdict(list)
    for dialogue in dialogues:
        by_question[dialogue.question].append(dialogue)
    if len(by_question) < MIN_DIALOGUES:
        raise TrainingFileInvalid(
            sentence(
                "There are {count} different questions; at least {least} are needed "
                "for validation.",
                count=len(by_question),
                least=MIN_DIALOGUES,
            )
        )
    groups = list(by_question.values())
    order = np.random.default_rng(SEED).permutation(len(groups))
    held_out = {int(index) for index in order[: max(2, len(groups) // HELD_OUT_PERIOD)]}
    return DialogueSplit(
        tuple(
            dialogue
            for index, group in enumerate(groups)
            if index not in held_out
            for dialogue in group
        ),
        tuple(
            dialogue
            for index, group in enumerate(groups)
            if index in held_out
            for dialogue in group
        ),
        duplicate_lines,
        tuple(tuple(dialogue.line for dialogue in group) for group in groups if len(group) > 1),
    )


def _join_all(lines: Sequence[int]) -> str:
    """Return line numbers that belong together."""
    return reduce(
        lambda joined, line: sentence("{one} and {other}", one=joined, other=line),
        lines[1:],
        str(lines[0]),
    )


def _join_some(items: Sequence[object]) -> Sentence:
    """Return the first few items."""
    more = sentence(" and others") if len(items) > _MAX_LISTED_LINES else ""
    return sentence("{items}{more}", items=listing(items[:_MAX_LISTED_LINES]), more=more)
