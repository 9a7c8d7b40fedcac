"""`python -m models.handbook.evaluation.search`: how well the search finds the right passages.

Asks the questions of which the passage is known (industrial_llm/tasks/grounded_handbook.jsonl) by
embeddings, by keywords and by both, and prints how often the passage is first or among those that
are left. Takes half a minute.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.handbook.index import HandbookIndex, load_index
from models.handbook.keywords import index_keywords
from models.handbook.passages import HandbookPassage
from models.handbook.ranking import rank_passages
from models.industrial_llm.tasks.grounded import HandbookQuestion, read_handbook_questions
from models.multilingual import PackagedEncoder, load_encoder

_LIMIT = 3

Search = Callable[[HandbookQuestion], Sequence[tuple[HandbookPassage, float]]]


@dataclass(frozen=True, slots=True)
class SearchQuality:
    """Shares of questions whose passage is first or found, and found passages on average."""

    first: float
    found: float
    passages: float


def measure(questions: Sequence[HandbookQuestion], search: Search) -> SearchQuality:
    """Search for each question."""
    first = among = count = 0
    for question in questions:
        ids = [passage.id for passage, _ in search(question)]
        first += ids[:1] == [question.id]
        among += question.id in ids
        count += len(ids)
    return SearchQuality(first / len(questions), among / len(questions), count / len(questions))


def main() -> None:
    """Print the quality of each search in each language."""
    index, encoder = load_index(), load_encoder(threads=1)
    questions = read_handbook_questions()
    searches = _searches(index, _embed(encoder, questions))
    for language in ("en", "zh"):
        asked = [question for question in questions if question.language == language]
        for name, search in searches.items():
            quality = measure(asked, search)
            sys.stdout.write(
                f"{language}, {name}: first {quality.first:.3f}, found {quality.found:.3f}, "
                f"{quality.passages:.2f} passages\n"
            )


def _searches(index: HandbookIndex, vectors: dict[str, list[float]]) -> dict[str, Search]:
    """Return the searches to compare, by name; `vectors` are the questions' embeddings."""
    keywords = index_keywords(index.passages)
    return {
        "embeddings": lambda one: index.search(vectors[one.question], one.language, _LIMIT),
        "keywords": lambda one: rank_passages(keywords, None, one.question, None, _LIMIT),
        "both": lambda one: rank_passages(
            keywords, index, one.question, vectors[one.question], _LIMIT
        ),
    }


def _embed(
    encoder: PackagedEncoder, questions: Sequence[HandbookQuestion]
) -> dict[str, list[float]]:
    """Return the embeddings of the questions by text."""
    texts = [question.question for question in questions]
    return dict(zip(texts, encoder.vectors(texts).tolist(), strict=True))


if __name__ == "__main__":
    main()
