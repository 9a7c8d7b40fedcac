"""Questions as the judge learns from them, and its two linear models.

Every answered question is also asked with its answering lines removed: then no line answers, and
the others are what a document on the same subject has. A question that names an item is also asked
about one that the document lacks.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.handbook.evaluation.questions import DOCUMENTS, DocumentQuestion
from models.handbook.evaluation.scoring import Answer, Verdict, score_document_answer
from models.line_reader.comparing import EncodedLine, Heads, compare
from models.line_reader.encoder_file import Floats
from models.line_reader.encoding import EncodedText
from models.line_reader.judging.concepts import Concepts
from models.line_reader.judging.features import Candidates, build_candidates
from models.line_reader.judging.judge import JudgeWeights, answer_features
from models.line_reader.judging.quoting import join_neighbours, quote_columns, quote_lines
from models.line_reader.lines import Line, split_lines
from models.line_reader.training.documents import Asked, TrainingDocument, ask_for_absent_items

Numbers = NDArray[np.float64]

# Removing lines makes as many unanswerable questions as there are others; they count less.
REMOVED_WEIGHT = 0.3
_RANK_PENALTY, _ANSWER_PENALTY = 2.0, 5.0
_FEWEST_LINES = 5


@dataclass(frozen=True, slots=True)
class Case:
    """A question with its candidates. `answers` tells which of them answer, in their order.

    `question` is of an evaluation set, if it is: then the quotation is scored.
    """

    group: str
    text: str
    lines: tuple[Line, ...]
    candidates: Candidates
    answers: NDArray[np.bool_]
    weight: float = 1.0
    is_answerable: bool = True
    question: DocumentQuestion | None = None

    def is_right(self, rank: Floats) -> bool:
        """Whether the best candidate is the right answer, as it is quoted."""
        scores = self.candidates.lines @ rank
        best = int(scores.argmax())
        if self.question is None:
            return bool(self.answers[best])
        order = self.candidates.order.tolist()
        by_line = dict(zip(order, scores.tolist(), strict=True))
        joined = join_neighbours(self.lines, by_line, order[best])
        return is_right_quotation(
            self.question, quote_lines(self.text, [self.lines[one] for one in joined])
        )


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question and the lines that answer it, with its question of an evaluation set, if any.

    `weight` is 1 for questions that somebody has written.
    """

    text: str
    lines: frozenset[int]
    question: DocumentQuestion | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class EncodedQuestion(AskedQuestion):
    """A question with its vectors."""

    encoded: EncodedText = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class PlainDocument:
    """A document's lines, with questions."""

    name: str
    lines: tuple[Line, ...]
    asked: tuple[AskedQuestion, ...]


@dataclass(frozen=True, slots=True)
class EncodedDocument:
    """A document's lines and questions with their vectors."""

    name: str
    lines: tuple[EncodedLine, ...]
    asked: tuple[EncodedQuestion, ...]


def is_right_quotation(question: DocumentQuestion, quotation: str) -> bool:
    """Whether a quotation is the answer by the committed rule, its passage being cited."""
    whole = (DOCUMENTS / question.document).read_text(encoding="utf-8")
    answer = Answer(quotation, (whole,))
    return score_document_answer(question, answer) is Verdict.CORRECT


def as_documents(questions: Iterable[DocumentQuestion]) -> Iterator[PlainDocument]:
    """Yield the documents of an evaluation set with the lines that answer, as they are quoted."""
    by_document: dict[str, list[DocumentQuestion]] = {}
    for one in questions:
        by_document.setdefault(one.document, []).append(one)
    for name, asked in by_document.items():
        lines = tuple(split_lines((DOCUMENTS / name).read_text(encoding="utf-8")))
        found = (AskedQuestion(one.question, _answering(one, lines), one) for one in asked)
        yield PlainDocument(name, lines, tuple(found))


def with_absent_items(document: PlainDocument, rng: random.Random) -> PlainDocument:
    """Return a document, its questions also asked about items of the family that it lacks."""
    asked = tuple(Asked(one.text, one.lines) for one in document.asked)
    lacking = ask_for_absent_items(TrainingDocument(document.name, document.lines, asked), rng)
    more = (AskedQuestion(one.question, one.lines, weight=REMOVED_WEIGHT) for one in lacking)
    return replace(document, asked=(*document.asked, *more))


def _answering(question: DocumentQuestion, lines: Sequence[Line]) -> frozenset[int]:
    quoted = (quote_columns(question.question, line) for line in lines)
    return frozenset(
        index for index, text in enumerate(quoted) if is_right_quotation(question, text)
    )


def build_cases(concepts: Concepts, heads: Heads, document: EncodedDocument) -> Iterator[Case]:
    """Yield the questions of a document, and those made unanswerable."""
    everything = range(len(document.lines))
    for asked in document.asked:
        is_answerable = bool(asked.lines) or (
            asked.question is not None and asked.question.answerable
        )
        case = _build_case(concepts, heads, document, asked, everything)
        yield replace(
            case, weight=asked.weight, is_answerable=is_answerable, question=asked.question
        )
        rest = [index for index in everything if index not in asked.lines]
        if asked.lines and len(rest) > _FEWEST_LINES:
            case = _build_case(concepts, heads, document, asked, rest)
            yield replace(case, weight=REMOVED_WEIGHT)


def _build_case(
    concepts: Concepts,
    heads: Heads,
    document: EncodedDocument,
    asked: EncodedQuestion,
    kept: Sequence[int],
) -> Case:
    """Return an unanswerable question about some lines of a document, with those that answer."""
    pairs = [document.lines[index] for index in kept]
    lines = tuple(pair.line for pair in pairs)
    compared = compare(heads, asked.text, asked.encoded, pairs)
    candidates = build_candidates(concepts, asked.text, lines, compared)
    answers = np.array([kept[one] in asked.lines for one in candidates.order])
    return Case(document.name, asked.text, lines, candidates, answers, is_answerable=False)


def fit_judge(cases: Sequence[Case], threshold: float) -> JudgeWeights:
    """Fit the ranking on answered questions, then the answer on the best candidates of all."""
    rank = fit_rank([case for case in cases if case.answers.any()])
    features, right = [], []
    for case in cases:
        scores = case.candidates.lines @ rank
        features.append(answer_features(case.candidates, scores))
        right.append(bool(case.answers[scores.argmax()]))
    weights = np.array([case.weight for case in cases])
    inputs = np.array(features, np.float64)
    means, deviations = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    means[-1], deviations[-1] = 0.0, 1.0
    answer = _fit_answer((inputs - means) / deviations, np.array(right, np.float64), weights)
    return JudgeWeights(
        rank=rank,
        answer=answer.astype(np.float32),
        means=means.astype(np.float32),
        deviations=deviations.astype(np.float32),
        threshold=threshold,
    )


def fit_rank(cases: Sequence[Case]) -> Floats:
    """Return the weights that make answering candidates the likeliest (conditional logit)."""

    def loss(weights: Numbers) -> tuple[float, Numbers]:
        total, slope = _RANK_PENALTY * float(weights @ weights), 2 * _RANK_PENALTY * weights
        for case in cases:
            scores = case.candidates.lines @ weights
            shares = np.exp(scores - scores.max())
            shares /= shares.sum()
            right = max(float(shares[case.answers].sum()), 1e-12)
            total -= float(np.log(right))
            wanted = np.where(case.answers, shares / right, 0.0)
            slope = slope - case.candidates.lines.T @ (wanted - shares)
        return total, slope

    start = np.zeros(cases[0].candidates.lines.shape[1])
    start[0] = 2.0
    found: Floats = minimize(loss, start, jac=True, method="L-BFGS-B").x.astype(np.float32)
    return found


def _fit_answer(inputs: Numbers, right: Numbers, weights: Numbers) -> Numbers:
    """Return the weights of a logistic regression, the last without penalty."""
    penalised = np.ones(inputs.shape[1])
    penalised[-1] = 0.0

    def loss(values: Numbers) -> tuple[float, Numbers]:
        chances = 1 / (1 + np.exp(-inputs @ values))
        likelihood = right * np.log(chances + 1e-12) + (1 - right) * np.log(1 - chances + 1e-12)
        penalty = _ANSWER_PENALTY * float(penalised @ values**2)
        slope = inputs.T @ (weights * (chances - right)) + 2 * _ANSWER_PENALTY * penalised * values
        return penalty - float(weights @ likelihood), slope

    start = np.zeros(inputs.shape[1])
    options = {"maxiter": 500}
    found: Numbers = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    return found
