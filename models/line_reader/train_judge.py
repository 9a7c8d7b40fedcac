"""`python -m models.line_reader.train_judge`: train the judge of lines, print figures, store it.

Learns from documents that the encoder was not trained on: the evaluation's first two sets of
questions, and the written documents that were held out (`zh_mixed.txt`, `en_mixed.txt`). Prints the
figures of documents left out in turn (eight parts), and with `--final` those of the final set,
which nothing is tuned on. Takes two minutes of one core.
"""

import argparse
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
from models.line_reader.judging.judge import (
    JUDGE_FILE,
    JudgeWeights,
    answer_features,
    save_judge,
)
from models.line_reader.training.documents import read_own_documents
from models.line_reader.training.judging import (
    AskedQuestion,
    Case,
    EncodedDocument,
    EncodedQuestion,
    PlainDocument,
    as_documents,
    build_cases,
    fit_judge,
    with_absent_items,
)
from models.line_reader.weights import load_weights
from models.multilingual import PASSAGE, QUERY

_HELD_OUT_FILES = ("zh_mixed", "en_mixed")
_PARTS = 8
# Of the answerable questions about left-out documents, as many may be answered wrongly.
_MAX_WRONG = 0.03
_THRESHOLDS = (0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a question was answered: the judge's probability, and whether the answer is right."""

    is_answerable: bool
    probability: float
    is_right: bool


def main(arguments: Sequence[str] | None = None) -> None:
    """Train on all but the final set, and measure."""
    parser = argparse.ArgumentParser(prog="python -m models.line_reader.train_judge")
    parser.add_argument("--target", type=Path, default=JUDGE_FILE)
    parser.add_argument("--final", action="store_true", help="measure the final set too")
    options = parser.parse_args(arguments)
    file = read_encoder(find_file())
    trained = load_weights(file)
    encoder = load_text_encoder(file, trained.layers, trained.heads)
    concepts = load_concepts()

    rng = random.Random(0)  # noqa: S311 - no secret

    def lacking(document: PlainDocument) -> PlainDocument:
        return with_absent_items(document, rng)

    def cases(documents: Iterable[PlainDocument]) -> list[Case]:
        return [
            case
            for one in documents
            for case in build_cases(concepts, trained.heads, _encode(encoder, lacking(one)))
        ]

    sets = {
        "180 questions": cases(as_documents(document_questions())),
        "tuning": cases(as_documents(tuning_questions())),
        "written": cases(_written()),
    }
    every = [case for group in sets.values() for case in group]
    left_out = _leave_out(every)
    for name, group in sets.items():
        _report(f"{name}, left out", [left_out[id(case)] for case in group if case.weight == 1.0])
    written = [left_out[id(case)] for case in every if case.weight == 1.0]
    weights = fit_judge(every, _choose_threshold(written))
    save_judge(weights, options.target)
    sys.stdout.write(f"threshold {weights.threshold}\n")
    if options.final:
        final = cases(as_documents(final_questions()))
        outcomes = [_answer(weights, case) for case in final if case.weight == 1.0]
        _report("final", outcomes, (weights.threshold, *_THRESHOLDS))


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


def _leave_out(cases: Sequence[Case]) -> dict[int, _Outcome]:
    """Return the outcome of each case by judges that have not learned from its document."""
    names = sorted({case.group for case in cases})
    found: dict[int, _Outcome] = {}
    for part in range(_PARTS):
        held_out = set(names[part::_PARTS])
        weights = fit_judge([case for case in cases if case.group not in held_out], 0.0)
        found |= {id(case): _answer(weights, case) for case in cases if case.group in held_out}
    return found


def _answer(weights: JudgeWeights, case: Case) -> _Outcome:
    scores = case.candidates.lines @ weights.rank
    features = answer_features(case.candidates, scores)
    scaled = (features - weights.means) / weights.deviations
    probability = 1 / (1 + float(np.exp(-(scaled @ weights.answer))))
    return _Outcome(case.is_answerable, probability, case.is_right(weights.rank))


def _choose_threshold(outcomes: Sequence[_Outcome]) -> float:
    """Return the lowest probability above which few enough of the answers are wrong."""
    count = sum(one.is_answerable for one in outcomes)
    wrong = [one.probability for one in outcomes if one.is_answerable and not one.is_right]
    highest = sorted(wrong, reverse=True)[: int(_MAX_WRONG * count) + 1]
    return round(highest[-1] + 0.005, 2)


def _report(
    name: str, outcomes: Sequence[_Outcome], thresholds: Sequence[float] = _THRESHOLDS
) -> None:
    """Print a row of Markdown with the figures at several thresholds."""
    answerable = [one for one in outcomes if one.is_answerable]
    others = [one for one in outcomes if not one.is_answerable]
    cells = [f"best line {sum(one.is_right for one in answerable)} of {len(answerable)}"]
    for threshold in thresholds:
        given = [one for one in answerable if one.probability >= threshold]
        right = sum(one.is_right for one in given)
        reported = sum(one.probability < threshold for one in others)
        cells.append(
            f"{threshold}: right {right / len(answerable):.0%}, "
            f"wrong {(len(given) - right) / len(answerable):.0%}, "
            f"reported {reported} of {len(others)}"
        )
    sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
