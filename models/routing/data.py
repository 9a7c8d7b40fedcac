"""Labelled texts: the examples to learn from, and those to see how well that goes.

Owns the files' form, a task and a text in each line with a tab between, and the tasks' names.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

EXAMPLES = Path(__file__).with_name("examples.tsv")
DEVELOPMENT = Path(__file__).with_name("development.tsv")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and the task that it asks for."""

    task: str
    text: str


class Request(msgspec.Struct, frozen=True):
    """One of the requests to be judged by; `who` asks."""

    who: str
    label: str
    text: str


class ExamplesInvalid(ValueError):
    """A file of examples that cannot be learned from; the message names the line."""


def read_examples(path: Path) -> tuple[Labelled, ...]:
    """The examples of a file. Raises ExamplesInvalid."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_example(path, number, line) for number, line in enumerate(lines, start=1))


def read_requests(path: Path) -> tuple[Labelled, ...]:
    """Requests in JSON lines. Raises msgspec.ValidationError."""
    requests = msgspec.json.Decoder(Request).decode_lines(path.read_bytes())
    return tuple(Labelled(one.label, one.text) for one in requests)


def tasks_of(examples: Iterable[Labelled]) -> tuple[str, ...]:
    """The tasks that there are, in order."""
    return tuple(sorted({one.task for one in examples}))


def digest(examples: Sequence[Labelled]) -> str:
    """What tells the examples that weights were learned from, as sha256."""
    text = "".join(f"{one.task}\t{one.text}\n" for one in examples)
    return hashlib.sha256(text.encode()).hexdigest()


def _example(path: Path, number: int, line: str) -> Labelled:
    task, tab, text = line.partition("\t")
    if not (task and tab and text.strip()):
        raise ExamplesInvalid(f"{path.name}, line {number}: a task, a tab and a text are wanted.")
    return Labelled(task, text)
