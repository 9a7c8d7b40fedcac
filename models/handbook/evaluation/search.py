"""`python -m models.handbook.evaluation.search`: how well the search finds the right passages.

Asks the questions of which the passage is known (industrial_llm/tasks/grounded_handbook.jsonl) by
embeddings and by keywords, and prints how often the passage is among the first, and how many
passages are left at each similarity gap. Takes some minutes.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.handbook.index import HandbookIndex, load_index
from models.handbook.keywords import index_keywords
from models.handbook.passages import HandbookPassage
from models.industrial_llm.tasks.grounded import HandbookQuestion, read_handbook_questions
from models.multilingual import PackagedEncoder, load_encoder

_LIMIT = 3
_GAPS = (0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 1.0)

Search = Callable[[HandbookQuestion], Sequence[tuple[HandbookPassage, float]]]


@dataclass(frozen=True, slots=True)
class SearchQuality:
    """Shares of questions whose passage is first or among three, and passages left on average."""

    first: float
    among_three: float
    passages: float


def measure(
    questions: Sequence[HandbookQuestion], search: Search, gap: float = 1.0
) -> SearchQuality:
    """Search for each question; passages further than the gap below the best are left out."""
    first = among = left = 0
    for question in questions:
        found = search(question)
        near = [passage for passage, score in found if score >= found[0][1] - gap]
        ids = [passage.id for passage in near]
        first += ids[:1] == [question.id]
        among += question.id in ids
        left += len(ids)
    count = len(questions)
    return SearchQuality(first / count, among / count, left / count)


def main() -> None:
    """Print the quality of both searches in each language."""
    index, encoder = load_index(), load_encoder(threads=1)
    keywords = index_keywords(index.passages)
    questions = read_handbook_questions()
    vectors = _embed(encoder, questions)
    for language in ("en", "zh"):
        asked = [question for question in questions if question.language == language]
        _report(
            f"{language} keywords",
            measure(asked, lambda one: keywords.search(one.question, one.language, _LIMIT)),
        )
        for gap in _GAPS:
            _report(f"{language} gap {gap}", measure(asked, _by_embedding(index, vectors), gap))


def _by_embedding(index: HandbookIndex, vectors: dict[str, list[float]]) -> Search:
    """Return the search by embeddings of questions."""
    return lambda one: index.search(vectors[one.question], one.language, _LIMIT)


def _embed(
    encoder: PackagedEncoder, questions: Sequence[HandbookQuestion]
) -> dict[str, list[float]]:
    """Return the embeddings of the questions by text."""
    texts = [question.question for question in questions]
    return dict(zip(texts, encoder.vectors(texts).tolist(), strict=True))


def _report(name: str, quality: SearchQuality) -> None:
    """Print one line."""
    sys.stdout.write(
        f"{name}: first {quality.first:.3f}, among three {quality.among_three:.3f}, "
        f"{quality.passages:.2f} passages\n"
    )


if __name__ == "__main__":
    main()
