"""Search the handbook by keywords, where no embedding model is served, and beside embeddings.

Words weigh as in BM25 without the term frequency, since passages are about equally long. A word of
the title counts more: the title names the subject.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.handbook.passages import HandbookPassage
from models.languages import HAN

_WORD = re.compile(rf"[a-z][a-z0-9]+|[{HAN}]+|\d+")
_STEM_LENGTH = 5
_TITLE_WEIGHT = 1.5


@dataclass(frozen=True, slots=True)
class KeywordIndex:
    """The words of each passage, and how much each word weighs in its language."""

    passages: tuple[HandbookPassage, ...]
    words: tuple[frozenset[str], ...]
    title_words: tuple[frozenset[str], ...]
    weights: Mapping[str, Mapping[str, float]]

    def search(self, query: str, language: str, limit: int) -> list[tuple[HandbookPassage, float]]:
        """Return the best passages of a language with their weights, best first.

        Passages that share no word with the query are left out.
        """
        weights, wanted = self.weights.get(language, {}), find_words(query)
        scored = [
            (
                passage,
                sum(weights.get(word, 0.0) for word in wanted & words)
                + (_TITLE_WEIGHT - 1) * sum(weights.get(word, 0.0) for word in wanted & title),
            )
            for passage, words, title in zip(
                self.passages, self.words, self.title_words, strict=True
            )
            if passage.language == language
        ]
        found = [one for one in scored if one[1] > 0]
        return sorted(found, key=lambda one: -one[1])[:limit]


def index_keywords(passages: Sequence[HandbookPassage]) -> KeywordIndex:
    """Index the passages by their words."""
    words = tuple(find_words(f"{one.area} {one.title} {one.text}") for one in passages)
    titles = tuple(find_words(one.title) for one in passages)
    counts: dict[str, Counter[str]] = {}
    for passage, found in zip(passages, words, strict=True):
        counts.setdefault(passage.language, Counter()).update(found)
    sizes = Counter(passage.language for passage in passages)
    weights = {
        language: {
            word: math.log(1 + (sizes[language] - count + 0.5) / (count + 0.5))
            for word, count in counted.items()
        }
        for language, counted in counts.items()
    }
    return KeywordIndex(tuple(passages), words, titles, weights)


def find_words(text: str) -> frozenset[str]:
    """Return the words of a text: English stems, numbers, and Chinese pairs of characters."""
    words: set[str] = set()
    for run in _WORD.findall(unicodedata.normalize("NFKC", text).lower()):
        if run.isascii():
            words.add(run[:_STEM_LENGTH])
        else:
            words.update(run[start : start + 2] for start in range(max(1, len(run) - 1)))
    return frozenset(words)
