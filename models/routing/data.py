"""Read the labelled texts for training and evaluation of the routing classifier.

Examples are tab-separated lines of task and text; requests are JSON lines.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

EXAMPLES = Path(__file__).with_name("examples.tsv")
DEVELOPMENT = Path(__file__).with_name("development.tsv")


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text with the task that it asks for."""

    task: str
    text: str


class LabelledRequest(msgspec.Struct, frozen=True):
    """A test request in JSON; `who` is its author, `label` the task."""

    who: str
    label: str
    text: str


class ExamplesInvalid(ValueError):
    """A file of examples that cannot be parsed; the message names the line."""


def read_examples(path: Path) -> tuple[LabelledText, ...]:
    """Read a tab-separated file of examples. Raises ExamplesInvalid."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_parse_example(path, number, line) for number, line in enumerate(lines, start=1))


def read_requests(path: Path) -> tuple[LabelledText, ...]:
    """Read test requests in JSON lines. Raises msgspec.ValidationError."""
    requests = msgspec.json.Decoder(LabelledRequest).decode_lines(path.read_bytes())
    return tuple(LabelledText(request.label, request.text) for request in requests)


def list_tasks(examples: Iterable[LabelledText]) -> tuple[str, ...]:
    """Return the distinct tasks of the examples, sorted."""
    return tuple(sorted({example.task for example in examples}))


def examples_digest(examples: Sequence[LabelledText]) -> str:
    """Return the SHA-256 of the examples, which identifies the training data."""
    text = "".join(f"{example.task}\t{example.text}\n" for example in examples)
    return hashlib.sha256(text.encode()).hexdigest()


def _parse_example(path: Path, number: int, line: str) -> LabelledText:
    """Parse a tab-separated line. Raises ExamplesInvalid."""
    task, tab, text = line.partition("\t")
    if not (task and tab and text.strip()):
        raise ExamplesInvalid(
            f"{path.name}, line {number}: expected a task and a text separated by a tab."
        )
    return LabelledText(task, text)
