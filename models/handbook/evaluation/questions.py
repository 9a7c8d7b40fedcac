"""The evaluation sets: technicians' questions, and questions about invented documents.

Their authors had not seen the handbook. The language model and the encoder of the line reader are
not trained on them. The judge of the line reader (models/line_reader/judging) learns from
`documents.jsonl` and `documents_tuning.jsonl`; nobody tunes on `documents_test.jsonl`.
"""

from pathlib import Path
from typing import TypeVar

import msgspec

FOLDER = Path(__file__).parent
DOCUMENTS = FOLDER / "documents"


class TechnicianQuestion(msgspec.Struct, frozen=True):
    """A question without documents, with the key points of a good answer.

    A point is a list of alternatives, of which an answer contains at least one. `need` points make
    an answer correct and useful. `plant` questions ask about a fact of the plant, which no handbook
    has.
    """

    id: str
    language: str
    area: str
    question: str
    points: tuple[tuple[str, ...], ...]
    need: int
    forbidden: tuple[str, ...]
    plant: bool = False


class DocumentQuestion(msgspec.Struct, frozen=True):
    """A question about one document, with the parts of the expected answer.

    A correct answer contains an alternative of every part of `expected`, and nothing of `wrong`.
    `evidence` is the span of the document that answers. All three are empty if `answerable` is
    false.
    """

    id: str
    language: str
    document: str
    question: str
    answerable: bool
    kind: str
    evidence: str
    expected: tuple[tuple[str, ...], ...]
    wrong: tuple[str, ...]


Question = TypeVar("Question", TechnicianQuestion, DocumentQuestion)


def read_questions(kind: type[Question], file: Path) -> tuple[Question, ...]:
    """Read a file of questions, JSON lines. Raises msgspec.ValidationError."""
    return tuple(msgspec.json.Decoder(kind).decode_lines(file.read_bytes()))


def technician_questions() -> tuple[TechnicianQuestion, ...]:
    """Return the questions without documents."""
    return read_questions(TechnicianQuestion, FOLDER / "technician.jsonl")


def document_questions() -> tuple[DocumentQuestion, ...]:
    """Return the 180 questions about the first twelve documents in `documents/`."""
    return read_questions(DocumentQuestion, FOLDER / "documents.jsonl")


def tuning_questions() -> tuple[DocumentQuestion, ...]:
    """Return the 68 questions about four documents that the line reader is tuned on."""
    return read_questions(DocumentQuestion, FOLDER / "documents_tuning.jsonl")


def final_questions() -> tuple[DocumentQuestion, ...]:
    """Return the 75 questions about four documents that nobody tunes on."""
    return read_questions(DocumentQuestion, FOLDER / "documents_test.jsonl")
