"""Task: answer from numbered passages with citations, or state that the documents do not answer.

Reads own documents with questions (grounded_manuals.jsonl), more questions to them in the other
language (grounded_cross_language.jsonl) and questions to the handbook (grounded_handbook.jsonl).
In all, `[*]` in an answer stands for the number of the passage. The order of the passages differs
by example, so that no position is learned.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from models.handbook.index import passage_text
from models.handbook.passages import HandbookPassage, read_handbook
from models.industrial_llm.examples import DatasetSplit, Example, Task, instructions_by_language
from models.languages import language_of
from models.passages import render_preface

MANUALS_FILE = Path(__file__).with_name("grounded_manuals.jsonl")
CROSS_LANGUAGE_FILE = Path(__file__).with_name("grounded_cross_language.jsonl")
HANDBOOK_FILE = Path(__file__).with_name("grounded_handbook.jsonl")
SOURCE = "own_documents"
_MARK = "[*]"
# One in so many documents, and of so many questions to the handbook, is for validation.
_VALIDATION_PERIOD = 20
_MAX_HANDBOOK_PASSAGES = 3


class ManualQuestion(msgspec.Struct, frozen=True):
    """A question to a document. Passages count from 1; 0 if none answers.

    `near` and `near_from` name the passage that an answer without the asked fact cites.
    """

    question: str
    answers_from: int
    answer: str
    near: int = 0
    near_from: int = 0

    @property
    def cited(self) -> int:
        """Return the passage that the answer cites, 0 for none."""
        return self.answers_from or self.near or self.near_from


class Manual(msgspec.Struct, frozen=True):
    """A part of a document with questions."""

    id: str
    language: str
    document: str
    passages: list[str]
    questions: list[ManualQuestion]


class CrossLanguageQuestion(ManualQuestion, frozen=True, kw_only=True):
    """A question in the other language than the document's; `id` is the document's."""

    id: str


class HandbookQuestion(msgspec.Struct, frozen=True):
    """A question that a passage of the handbook answers; `id` is the passage's."""

    id: str
    language: str
    question: str
    answer: str


def load(_directory: Path, _fold: int) -> DatasetSplit:
    """Build all examples. No training sets are needed."""
    train: list[Example] = []
    validation: list[Example] = []
    asked_across = read_cross_language_questions()
    for number, manual in enumerate(read_manuals()):
        part = validation if number % _VALIDATION_PERIOD == 0 else train
        part.extend(_manual_examples(manual, manual.questions))
        more = [question for question in asked_across if question.id == manual.id]
        part.extend(_manual_examples(manual, more))
    for number, example in enumerate(_handbook_examples(read_handbook())):
        (validation if number % _VALIDATION_PERIOD == 0 else train).append(example)
    return DatasetSplit(tuple(train), tuple(validation))


def read_manuals() -> tuple[Manual, ...]:
    """Read the documents with questions. Raises msgspec.ValidationError."""
    lines = MANUALS_FILE.read_text(encoding="utf-8").splitlines()
    return tuple(msgspec.json.decode(line, type=Manual) for line in lines)


def read_cross_language_questions() -> tuple[CrossLanguageQuestion, ...]:
    """Read the questions in the other language. Raises msgspec.ValidationError."""
    lines = CROSS_LANGUAGE_FILE.read_text(encoding="utf-8").splitlines()
    return tuple(msgspec.json.decode(line, type=CrossLanguageQuestion) for line in lines)


def read_handbook_questions() -> tuple[HandbookQuestion, ...]:
    """Read the questions to the handbook. Raises msgspec.ValidationError."""
    lines = HANDBOOK_FILE.read_text(encoding="utf-8").splitlines()
    return tuple(msgspec.json.decode(line, type=HandbookQuestion) for line in lines)


def _manual_examples(manual: Manual, questions: Sequence[ManualQuestion]) -> Iterator[Example]:
    """Yield an example for each question to a document, in the question's language."""
    named = [(manual.document, text) for text in manual.passages]
    for question in questions:
        language = language_of(question.question)
        yield _build_example(question.question, question.answer, named, question.cited, language)


def _handbook_examples(passages: Sequence[HandbookPassage]) -> Iterator[Example]:
    """Yield an example for each question to the handbook, with other passages of the area."""
    by_key = {(passage.language, passage.id): passage for passage in passages}
    for question in read_handbook_questions():
        right = by_key[question.language, question.id]
        others = [
            passage
            for passage in passages
            if (passage.language, passage.area) == (right.language, right.area)
            and passage.id != right.id
        ]
        generator = random.Random(question.question)  # noqa: S311
        count = generator.randrange(_MAX_HANDBOOK_PASSAGES)
        chosen = [right, *generator.sample(others, min(count, len(others)))]
        named = [(passage.name, passage_text(passage)) for passage in chosen]
        yield _build_example(question.question, question.answer, named, 1, question.language)


def _build_example(
    question: str, answer: str, named: Sequence[tuple[str, str]], cited: int, language: str
) -> Example:
    """Return an example with the passages in random order; `cited` is the passage before it."""
    order = list(range(len(named)))
    random.Random(f"{question} {answer}").shuffle(order)  # noqa: S311
    shuffled = [named[position] for position in order]
    number = order.index(cited - 1) + 1 if cited else 0
    text = render_preface(question, shuffled) + question
    return Example(TASK.name, SOURCE, language, text, answer.replace(_MARK, f"[{number}]"))


TASK = Task(
    name="grounded",
    load=load,
    # The passages' preface is the instruction.
    instructions=instructions_by_language(("",), ("",)),
    max_tokens=256,
)
