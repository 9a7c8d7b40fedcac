"""The scoring rule of the evaluation sets.

An answer about a document is

- *correct* if it contains an alternative of every expected part, nothing that belongs to a
  neighbouring fact, and cites a passage that contains the evidence;
- *not found* if its first sentence says that the documents do not answer;
- *wrong with a citation* if it is neither and cites a passage;
- *wrong* otherwise.

Of a question that the document does not answer, only *not found* is right. A technician's question
is answered correctly and usefully if the answer contains enough of the key points and nothing
forbidden. Texts are compared in compatibility form (NFKC), in lower case, without white space and
Markdown emphasis.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from models.grounding.answer import is_not_found
from models.grounding.sentences import split_sentences
from models.handbook.evaluation.questions import DocumentQuestion, TechnicianQuestion

_IGNORED = re.compile(r"[\s*_`]+")
# A chunk may end within the evidence: this share of it, from either end, identifies the passage.
_EVIDENCE_SHARE = 0.6


class Verdict(StrEnum):
    """The result of an answer by the scoring rule."""

    CORRECT = "correct"
    NOT_FOUND = "not found"
    WRONG_WITH_CITATION = "wrong with a citation"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's text and the texts of the passages that it cites."""

    text: str
    cited: tuple[str, ...] = ()


def score_document_answer(question: DocumentQuestion, answer: Answer) -> Verdict:
    """Return the verdict on an answer about a document."""
    if states_not_found(answer.text):
        return Verdict.NOT_FOUND
    if question.answerable and _is_correct(question, answer):
        return Verdict.CORRECT
    return Verdict.WRONG_WITH_CITATION if answer.cited else Verdict.WRONG


def is_right(question: DocumentQuestion, verdict: Verdict) -> bool:
    """Whether the verdict is the right one for the question."""
    return verdict is (Verdict.CORRECT if question.answerable else Verdict.NOT_FOUND)


def score_technician_answer(question: TechnicianQuestion, answer: str) -> Verdict:
    """Return the verdict on an answer to a technician's question."""
    if states_not_found(answer):
        return Verdict.NOT_FOUND
    if question.plant or contains_any(answer, question.forbidden):
        return Verdict.WRONG
    return Verdict.CORRECT if count_points(question, answer) >= question.need else Verdict.WRONG


def count_points(question: TechnicianQuestion, answer: str) -> int:
    """Return how many key points an answer contains."""
    return sum(contains_any(answer, alternatives) for alternatives in question.points)


def contains_any(text: str, alternatives: Sequence[str]) -> bool:
    """Whether the text contains one of the alternatives, in the compared form."""
    compared = normalize(text)
    return any(normalize(alternative) in compared for alternative in alternatives)


def states_not_found(answer: str) -> bool:
    """Whether the first sentence says that the documents do not answer."""
    sentences = split_sentences(answer.strip())
    return bool(sentences) and is_not_found(sentences[0].bare)


def normalize(text: str) -> str:
    """Return the text in the form in which answers are compared."""
    return _IGNORED.sub("", unicodedata.normalize("NFKC", text)).lower()


def _is_correct(question: DocumentQuestion, answer: Answer) -> bool:
    """Whether an answer has every expected part, nothing wrong, and cites the evidence."""
    has_all = all(contains_any(answer.text, part) for part in question.expected)
    return (
        has_all
        and not contains_any(answer.text, question.wrong)
        and any(has_evidence(passage, question.evidence) for passage in answer.cited)
    )


def has_evidence(passage: str, evidence: str) -> bool:
    """Whether a passage contains most of the evidence, from its beginning or its end."""
    compared, wanted = normalize(passage), normalize(evidence)
    length = max(1, round(_EVIDENCE_SHARE * len(wanted)))
    return wanted[:length] in compared or wanted[-length:] in compared
