"""Choose the passage to cite, where several support a sentence.

A short answer such as `Philippa Voss` is in every passage that mentions her. The right one has it
in a sentence that shares words with the question.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from models.grounding.figures import find_figures, find_number_words
from models.grounding.sentences import split_sentences
from models.grounding.words import compact, find_names, find_terms

# How many words a shared figure or name counts for.
CLAIM_WEIGHT = 3
# A passage that the model did not cite is cited instead if it is nearer by so many words.
MIN_ADVANTAGE = 2


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of a passage, prepared for comparison."""

    numbers: frozenset[str]
    compact: str
    terms: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "Statement":
        """Prepare a sentence."""
        numbers = frozenset(figure.number for figure in find_figures(text))
        return cls(numbers | find_number_words(text), compact(text), find_terms(text))


def split_statements(passage: str) -> tuple[Statement, ...]:
    """Return the sentences of a passage; rows of tables and lists are sentences too."""
    bare = (sentence.bare for sentence in split_sentences(passage))
    return tuple(Statement.of(text) for text in bare if text)


@dataclass(frozen=True, slots=True)
class Sought:
    """What a passage is to have in common with a question and a sentence of its answer."""

    numbers: frozenset[str]
    names: frozenset[str]
    terms: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "Sought":
        """Prepare a text."""
        statement = Statement.of(text)
        names = frozenset(compact(name) for name in find_names(text))
        return cls(statement.numbers, names, statement.terms)

    def __or__(self, other: "Sought") -> "Sought":
        """Return what one of both has."""
        return Sought(
            self.numbers | other.numbers, self.names | other.names, self.terms | other.terms
        )

    def nearness(self, statements: Iterable[Statement]) -> int:
        """Return the words and claims that the nearest statement has, each claim as several."""
        return max(map(self._shared, statements), default=0)

    def _shared(self, statement: Statement) -> int:
        """Return how many words and claims a statement has."""
        names = sum(name in statement.compact for name in self.names)
        claims = len(self.numbers & statement.numbers) + names
        return CLAIM_WEIGHT * claims + len(self.terms & statement.terms)


def choose_citations(
    cited: tuple[int, ...], supporting: tuple[int, ...], near: dict[int, int]
) -> tuple[int, ...]:
    """Return the passages to cite: the model's, unless another supporting one is clearly nearer.

    `near` is the nearness of each supporting passage; `supporting` is in order of preference.
    """
    if not supporting:
        return ()
    best = max(supporting, key=lambda number: near[number])
    kept = tuple(number for number in cited if number in supporting)
    if not kept:
        return (best,)
    return kept if near[best] < max(near[one] for one in kept) + MIN_ADVANTAGE else (best,)
