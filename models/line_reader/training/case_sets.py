"""The questions that the judge learns from and is measured with, encoded, with their candidates."""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from models.handbook.evaluation.questions import (
    document_questions,
    final_questions,
    tuning_questions,
)
from models.line_reader.comparing import EncodedLine
from models.line_reader.encoder_file import find_file, read_encoder
from models.line_reader.encoding import (
    MAX_LINE_TOKENS,
    MAX_QUESTION_TOKENS,
    TextEncoder,
    load_text_encoder,
)
from models.line_reader.judging.concepts import load_concepts
from models.line_reader.training.documents import read_own_documents
from models.line_reader.training.judging import (
    AskedQuestion,
    Case,
    EncodedDocument,
    EncodedQuestion,
    PlainDocument,
    as_documents,
    build_cases,
    with_absent_items,
)
from models.line_reader.weights import load_weights
from models.multilingual import PASSAGE, QUERY

_HELD_OUT_FILES = ("zh_mixed", "en_mixed")


@dataclass(frozen=True, slots=True)
class CaseSets:
    """The sets that are learned from by name, and the final one, which nothing is tuned on."""

    learned: Mapping[str, list[Case]]
    final: list[Case]

    @property
    def every(self) -> list[Case]:
        """Return all cases that are learned from."""
        return [case for group in self.learned.values() for case in group]


def load_case_sets() -> CaseSets:
    """Encode documents and questions, one minute of one core. Raises EncoderMissing."""
    file = read_encoder(find_file())
    trained, concepts = load_weights(file), load_concepts()
    encoder = load_text_encoder(file, trained.layers, trained.heads)
    rng = random.Random(0)  # noqa: S311 - no secret

    def cases(documents: Iterable[PlainDocument]) -> list[Case]:
        lacking = (with_absent_items(one, rng) for one in documents)
        return [
            case
            for one in lacking
            for case in build_cases(concepts, trained.heads, _encode(encoder, one))
        ]

    learned = {
        "180 questions": cases(as_documents(document_questions())),
        "tuning": cases(as_documents(tuning_questions())),
        "written": cases(_written()),
    }
    return CaseSets(learned, cases(as_documents(final_questions())))


def _written() -> Iterator[PlainDocument]:
    """Yield the written documents that the encoder was not trained on."""
    for document in read_own_documents():
        if document.name.partition("/")[0] in _HELD_OUT_FILES:
            asked = (AskedQuestion(one.question, one.lines) for one in document.asked)
            yield PlainDocument(document.name, document.lines, tuple(asked))


def _encode(encoder: TextEncoder, document: PlainDocument) -> EncodedDocument:
    lines = [PASSAGE + line.shown for line in document.lines]
    texts = encoder.encode(lines, MAX_LINE_TOKENS)
    pairs = tuple(EncodedLine(*pair) for pair in zip(document.lines, texts, strict=True))
    asked = [QUERY + one.text for one in document.asked]
    questions = zip(document.asked, encoder.encode(asked, MAX_QUESTION_TOKENS), strict=True)
    encoded = (
        EncodedQuestion(one.text, one.lines, one.question, one.weight, encoded=vectors)
        for one, vectors in questions
    )
    return EncodedDocument(document.name, pairs, tuple(encoded))
