"""Check each sentence of an answer against the passages: figures, units, names and wording."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.grounding.citing import (
    CLAIM_WEIGHT,
    Sought,
    Statement,
    choose_citations,
    split_statements,
)
from models.grounding.figures import (
    Figure,
    find_codes,
    find_figures,
    find_final_numbers,
    find_number_words,
)
from models.grounding.sentences import CITATION, Sentence, split_sentences
from models.grounding.words import compact, find_names, find_terms
from models.languages import is_chinese

_DIGITS = re.compile(r"\d+")
# Share of a sentence's words that must occur in the passage or the question.
MIN_SHARED_WORDS = 0.4
# A longer sentence before a colon may state something.
MAX_INTRODUCTION_LENGTH = 60


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """A sentence, the passages (from 1) that support it, and what the best one of them lacks.

    `citations` are the supporting passages to cite. A sentence without a claim, such as `Proceed as
    follows:`, is supported by no passage and lacks nothing.
    """

    sentence: Sentence
    supported_by: tuple[int, ...]
    missing: tuple[str, ...]
    citations: tuple[int, ...] = ()

    @property
    def is_supported(self) -> bool:
        """Whether a passage has everything that the sentence states."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class _Passage:
    """What a passage states, prepared for comparison."""

    figures: frozenset[tuple[str, str | None]]
    numbers: frozenset[str]
    compact: str
    terms: frozenset[str]
    is_chinese: bool
    statements: tuple[Statement, ...]

    @classmethod
    def of(cls, text: str) -> "_Passage":
        """Prepare a passage."""
        figures = find_figures(text)
        return cls(
            frozenset((figure.number, figure.unit) for figure in figures),
            frozenset(figure.number for figure in figures)
            | find_number_words(text)
            | find_final_numbers(text)
            | frozenset(number for code in find_codes(text) for number in _DIGITS.findall(code)),
            compact(text),
            find_terms(text),
            is_chinese(text),
            split_statements(text),
        )

    def has_figure(self, figure: Figure) -> bool:
        """Whether the passage has the figure, with its unit where both state one."""
        if figure.number not in self.numbers:
            return False
        units = {unit for number, unit in self.figures if number == figure.number}
        return figure.unit is None or not units or None in units or figure.unit in units


@dataclass(frozen=True, slots=True)
class _Claims:
    """What a sentence states: figures, names with their form for comparison, and words."""

    text: str
    figures: tuple[Figure, ...]
    names: tuple[tuple[str, str], ...]
    terms: frozenset[str]
    is_chinese: bool

    @classmethod
    def of(cls, text: str) -> "_Claims":
        """Find the claims of a sentence without citation marks."""
        names = tuple((name, compact(name)) for name in find_names(text))
        return cls(text, find_figures(text), names, find_terms(text), is_chinese(text))

    @property
    def has_any(self) -> bool:
        """Whether the sentence has a figure or a name."""
        return bool(self.figures or self.names)

    @property
    def is_introduction(self) -> bool:
        """Whether the sentence only introduces a list, such as `Check the following:`."""
        is_short = len(self.text) <= MAX_INTRODUCTION_LENGTH
        return is_short and self.text.endswith((":", "：")) and not self.has_any


@dataclass(frozen=True, slots=True)
class AnswerChecker:
    """Checks answers to one question from one list of passages."""

    question: str
    passages: Sequence[str]
    _prepared: tuple[_Passage, ...] = field(init=False)
    _asked: _Passage = field(init=False)
    _sought: Sought = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_prepared", tuple(map(_Passage.of, self.passages)))
        object.__setattr__(self, "_asked", _Passage.of(self.question))
        object.__setattr__(self, "_sought", Sought.of(self.question))

    def check(self, answer: str) -> tuple[CheckedSentence, ...]:
        """Return the sentences of an answer with the passages that support them."""
        return tuple(self.check_sentence(sentence) for sentence in split_sentences(answer))

    def check_sentence(self, sentence: Sentence) -> CheckedSentence:
        """Compare a sentence with each passage."""
        claims = _Claims.of(sentence.bare)
        if (not claims.terms and not claims.figures) or claims.is_introduction:
            return CheckedSentence(sentence, (), ())
        lacking = [
            self._missing(claims, passage, number in sentence.cited)
            for number, passage in enumerate(self._prepared, 1)
        ]
        supporting = tuple(number for number, missing in enumerate(lacking, 1) if not missing)
        missing = () if supporting else min(lacking, key=len, default=(sentence.bare,))
        supporting = self._ordered(claims, supporting)
        return CheckedSentence(sentence, supporting, missing, self._cite(sentence, supporting))

    def nearest(self, answer: str) -> int | None:
        """Return the passage that shares most of an answer's claims and words, None if none does.

        Of equal ones the first.
        """
        claims = _Claims.of(CITATION.sub("", answer))
        shared = [self._shared(claims, passage) for passage in self._prepared]
        best = max(shared, default=0)
        return shared.index(best) + 1 if best else None

    def is_on_topic(self, number: int) -> bool:
        """Whether a passage shares a word with the question, as far as they can be compared."""
        passage, asked = self._prepared[number - 1], self._asked
        if passage.is_chinese != asked.is_chinese or not asked.terms:
            return True
        return not passage.terms.isdisjoint(asked.terms)

    def _shared(self, claims: _Claims, passage: _Passage) -> int:
        """Return how much of an answer is in a passage: its words, and its claims several times."""
        figures = sum(map(passage.has_figure, claims.figures))
        names = sum(compact in passage.compact for _, compact in claims.names)
        return CLAIM_WEIGHT * (figures + names) + len(claims.terms & passage.terms)

    def _ordered(self, claims: _Claims, supporting: tuple[int, ...]) -> tuple[int, ...]:
        """Return the passages that share most of the sentence's words first."""
        return tuple(
            sorted(
                supporting,
                key=lambda number: -len(claims.terms & self._prepared[number - 1].terms),
            )
        )

    def _cite(self, sentence: Sentence, supporting: tuple[int, ...]) -> tuple[int, ...]:
        """Return the supporting passages to cite."""
        if len(supporting) < 2:
            return supporting
        sought = self._sought | Sought.of(sentence.bare)
        near = {
            number: sought.nearness(self._prepared[number - 1].statements) for number in supporting
        }
        return choose_citations(sentence.cited, supporting, near)

    def _missing(self, claims: _Claims, passage: _Passage, is_cited: bool) -> tuple[str, ...]:
        """Return the claims of a sentence that neither the passage nor the question contains.

        A sentence without such claims must share many words with the passage, one with claims at
        least one. Words cannot be compared between languages; there, the sentence must share a
        claim or cite the passage.
        """
        missing = [
            figure.text
            for figure in claims.figures
            if not passage.has_figure(figure) and figure.number not in self._asked.numbers
        ]
        missing += [
            name
            for name, compact in claims.names
            if compact not in passage.compact and compact not in self._asked.compact
        ]
        if not missing and not self._is_about(claims, passage, is_cited):
            missing.append(claims.text)
        return tuple(dict.fromkeys(missing))

    def _is_about(self, claims: _Claims, passage: _Passage, is_cited: bool) -> bool:
        """Whether a sentence is about the passage: by shared words, claims or citation."""
        terms = claims.terms
        shared = sum(term in passage.terms or term in self._asked.terms for term in terms)
        if shared >= (min(1, len(terms)) if claims.has_any else MIN_SHARED_WORDS * len(terms)):
            return True
        return claims.is_chinese != passage.is_chinese and (claims.has_any or is_cited)
