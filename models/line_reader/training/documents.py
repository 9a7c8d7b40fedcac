"""The questions that the reader learns from, with the lines that answer them.

Own documents are in `documents/`: after a line, `? ` begins a question that the line answers, and
`! ` one that the document does not answer. The invented manuals of the language model's training
(industrial_llm/tasks) have answers instead of lines: the line that shares most with an answer's
first sentence is taken. The documents of the evaluation (handbook/evaluation) are not used.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.grounding.figures import find_codes, find_figures
from models.grounding.sentences import split_sentences
from models.grounding.words import compact, find_terms
from models.line_reader.lines import Line, split_lines, split_rows

DOCUMENTS = Path(__file__).parents[1] / "documents"
_TASKS = Path(__file__).parents[2] / "industrial_llm" / "tasks"
_TITLE = re.compile(r"(?m)^(?=# )")
_SECTION = re.compile(r"^\d+(?:\.\d+)*\s+\S")
_ANSWERED, _UNANSWERED = "? ", "! "
_RULE = "|---|"
_CODE = re.compile(r"(?<![A-Za-z0-9])[A-Z]{1,3}-?\d{1,4}(?![A-Za-z0-9])(?![.,]\d)")
_NUMBERED = re.compile(r"\d+(?= ?号)|(?<=crane )\d|(?<=zone )\d|(?<=charger )\d", re.IGNORECASE)
_TRIES = 20
# Below this, an answer's first sentence is of no line, such as one in another language.
_MIN_SHARED = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the indices of the lines that answer it; none if the document does not."""

    question: str
    lines: frozenset[int]


@dataclass(frozen=True, slots=True)
class TrainingDocument:
    """A document with questions about it."""

    name: str
    lines: tuple[Line, ...]
    asked: tuple[Asked, ...]


class _Question(msgspec.Struct):
    question: str
    answers_from: int
    answer: str


class _Manual(msgspec.Struct):
    id: str
    passages: list[str]
    questions: list[_Question]


class _MoreQuestions(_Question):
    id: str


def read_own_documents(folder: Path = DOCUMENTS) -> Iterator[TrainingDocument]:
    """Yield the own documents. Raises ValueError for a question that follows no line."""
    for file in sorted(folder.glob("*.txt")):
        parts = _TITLE.split(file.read_text(encoding="utf-8"))
        for number, part in enumerate(part for part in parts if part.strip()):
            yield _parse_document(f"{file.stem}/{number}", part)


def _parse_document(name: str, part: str) -> TrainingDocument:
    """Parse one document. The first row of a table is its header."""
    rows: list[str] = []
    marks: list[tuple[str, int | None]] = []
    for raw in map(str.strip, part.splitlines()):
        if raw.startswith(_ANSWERED):
            marks.append((raw.removeprefix(_ANSWERED), len(rows) - 1))
        elif raw.startswith(_UNANSWERED):
            marks.append((raw.removeprefix(_UNANSWERED), None))
        else:
            is_first = raw.startswith("|") and not (rows and rows[-1].startswith("|"))
            rows += [raw, _RULE] if is_first else [raw]
    numbered = list(split_rows(rows))
    of_row: dict[int, set[int]] = {}
    for index, (row, _) in enumerate(numbered):
        of_row.setdefault(row, set()).add(index)
    asked = []
    for question, at in marks:
        answering = frozenset(of_row.get(at, ())) if at is not None else frozenset[int]()
        if at is not None and not answering:
            raise ValueError(f"{name}: no line before the question {question!r}")
        asked.append(Asked(question, answering))
    return TrainingDocument(name, tuple(line for _, line in numbered), tuple(asked))


def read_manuals() -> Iterator[TrainingDocument]:
    """Yield the manuals of the language model's training, with questions in both languages."""
    more: dict[str, list[_Question]] = {}
    source = (_TASKS / "grounded_cross_language.jsonl").read_bytes()
    for one in msgspec.json.Decoder(_MoreQuestions).decode_lines(source):
        more.setdefault(one.id, []).append(one)
    source = (_TASKS / "grounded_manuals.jsonl").read_bytes()
    for manual in msgspec.json.Decoder(_Manual).decode_lines(source):
        yield _number_lines(manual, [*manual.questions, *more.get(manual.id, ())])


def _number_lines(manual: _Manual, questions: Sequence[_Question]) -> TrainingDocument:
    """Return a manual with the lines of its passages."""
    lines: list[Line] = []
    of_passage: list[range] = []
    for passage in manual.passages:
        found = split_lines(_mark_heading(passage))
        of_passage.append(range(len(lines), len(lines) + len(found)))
        lines += found
    asked = []
    for one in questions:
        if one.answers_from == 0:
            asked.append(Asked(one.question, frozenset()))
            continue
        index = _find_answering(one.answer, lines, of_passage[one.answers_from - 1])
        if index is not None:
            asked.append(Asked(one.question, frozenset({index})))
    return TrainingDocument(manual.id, tuple(lines), tuple(asked))


def _mark_heading(passage: str) -> str:
    """Return a passage whose first, numbered sentence is marked as its heading."""
    first = split_sentences(passage)[0]
    rest = passage[len(first.text) :].strip()
    is_heading = _SECTION.match(first.text) is not None and bool(rest)
    return f"# {first.bare.rstrip('。.')}\n{rest}" if is_heading else passage


def _find_answering(answer: str, lines: Sequence[Line], among: range) -> int | None:
    """Return the line with most figures, codes and words of the answer's first sentence."""
    first = split_sentences(answer)[0].bare
    best = max(among, key=lambda index: _shared(first, lines[index].text), default=None)
    return best if best is not None and _shared(first, lines[best].text) > _MIN_SHARED else None


def _shared(sentence: str, line: str) -> float:
    """Return how much two texts share; long lines share more by chance."""
    figures = {str(one) for one in find_figures(sentence)} & {
        str(one) for one in find_figures(line)
    }
    codes = set(map(compact, find_codes(sentence))) & set(map(compact, find_codes(line)))
    terms = find_terms(sentence) & find_terms(line)
    return (3 * len(figures) + 2 * len(codes) + len(terms)) / (1 + 0.002 * len(line))


def ask_for_absent_items(document: TrainingDocument, rng: random.Random) -> Iterator[Asked]:
    """Yield questions about an item of the same family that the document lacks."""
    text = "\n".join(line.shown for line in document.lines)
    for asked in document.asked:
        match = _CODE.search(asked.question) or _NUMBERED.search(asked.question)
        if not asked.lines or match is None:
            continue
        for _ in range(_TRIES):
            name = re.sub(r"\d", lambda _: str(rng.randrange(1, 10)), match[0])
            if compact(name) not in compact(text):
                start, end = match.span()
                question = asked.question[:start] + name + asked.question[end:]
                yield Asked(question, frozenset())
                break


def rename_codes(document: TrainingDocument, rng: random.Random) -> TrainingDocument:
    """Return the document with other codes, the same in its lines and questions."""
    names: dict[str, str] = {}

    def change(match: re.Match[str]) -> str:
        return names.setdefault(
            match[0], re.sub(r"\d", lambda _: str(rng.randrange(1, 10)), match[0])
        )

    def rename(text: str) -> str:
        return _CODE.sub(change, text)

    lines = tuple(
        Line(rename(one.text), rename(one.quoted), rename(one.shown)) for one in document.lines
    )
    asked = tuple(Asked(rename(one.question), one.lines) for one in document.asked)
    return TrainingDocument(f"{document.name}'", lines, asked)


def bundle(documents: Sequence[TrainingDocument], size: int = 3) -> list[TrainingDocument]:
    """Return documents of `size` documents: a question has then as many lines as in a manual."""
    return [_join(documents[start : start + size]) for start in range(0, len(documents), size)]


def _join(documents: Sequence[TrainingDocument]) -> TrainingDocument:
    lines: list[Line] = []
    asked: list[Asked] = []
    for document in documents:
        shift = len(lines)
        lines += document.lines
        asked += [
            Asked(one.question, frozenset(index + shift for index in one.lines))
            for one in document.asked
        ]
    return TrainingDocument(documents[0].name, tuple(lines), tuple(asked))
