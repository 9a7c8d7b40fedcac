"""Check each sentence of an answer against the passages: figures, units, names and wording."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.grounding.figures import (
    Figure,
    find_codes,
    find_figures,
    find_number_words,
    normalize,
    remove_figures,
)
from models.grounding.sentences import Sentence, split_sentences

_HAN = r"\u3400-\u9fff"
_ACRONYM = re.compile(r"(?<![A-Za-z])[A-Z][A-Z&]+[a-z]?(?![a-z])")
# English: a capital that does not start a sentence. In Chinese text: every Latin word.
_PROPER_NAME = re.compile(r"(?<=[a-z,;:] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_LATIN_WORD = re.compile(r"[A-Za-z][A-Za-z-]{2,}")
_QUOTED = re.compile(r"[“「『‘\"]([^”」』’\"]{2,40})[”」』’\"]")
_TERM = re.compile(rf"[a-z]{{4,}}|[{_HAN}]{{2,}}")
_DIGITS = re.compile(r"\d+")
_STEM_LENGTH = 5
_SEPARATORS = re.compile(r"[\s\-–—·./]+")
# Share of a sentence's words that must occur in the passage or the question.
MIN_SHARED_WORDS = 0.4


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """A sentence, the passages (from 1) that support it, and what the best one of them lacks.

    A sentence without a claim, such as `Proceed as follows:`, is supported by no passage and lacks
    nothing.
    """

    sentence: Sentence
    supported_by: tuple[int, ...]
    missing: tuple[str, ...]

    @property
    def is_supported(self) -> bool:
        """Whether a passage has everything that the sentence states."""
        return not self.missing

    @property
    def citations(self) -> tuple[int, ...]:
        """Return the passages to cite: the cited ones that support the sentence, else the first."""
        kept = tuple(number for number in self.sentence.cited if number in self.supported_by)
        return kept or self.supported_by[:1]


@dataclass(frozen=True, slots=True)
class _Passage:
    """What a passage states, prepared for comparison."""

    figures: frozenset[tuple[str, str | None]]
    numbers: frozenset[str]
    compact: str
    terms: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "_Passage":
        """Prepare a passage."""
        figures = find_figures(text)
        return cls(
            frozenset((figure.number, figure.unit) for figure in figures),
            frozenset(figure.number for figure in figures)
            | find_number_words(text)
            | frozenset(number for code in find_codes(text) for number in _DIGITS.findall(code)),
            _compact(text),
            _terms(text),
        )

    def has_figure(self, figure: Figure) -> bool:
        """Whether the passage has the figure, with its unit where both state one."""
        if figure.number not in self.numbers:
            return False
        units = {unit for number, unit in self.figures if number == figure.number}
        return figure.unit is None or not units or None in units or figure.unit in units


@dataclass(frozen=True, slots=True)
class AnswerChecker:
    """Checks answers to one question from one list of passages."""

    question: str
    passages: Sequence[str]
    _prepared: tuple[_Passage, ...] = field(init=False)
    _asked: _Passage = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_prepared", tuple(map(_Passage.of, self.passages)))
        object.__setattr__(self, "_asked", _Passage.of(self.question))

    def check(self, answer: str) -> tuple[CheckedSentence, ...]:
        """Return the sentences of an answer with the passages that support them."""
        return tuple(self.check_sentence(sentence) for sentence in split_sentences(answer))

    def check_sentence(self, sentence: Sentence) -> CheckedSentence:
        """Compare a sentence with each passage."""
        lacking = [
            self._missing(sentence.bare, passage, number in sentence.cited)
            for number, passage in enumerate(self._prepared, 1)
        ]
        supporting = tuple(number for number, missing in enumerate(lacking, 1) if not missing)
        if not _terms(sentence.bare) and not find_figures(sentence.bare):
            return CheckedSentence(sentence, (), ())
        missing = () if supporting else min(lacking, key=len, default=(sentence.bare,))
        return CheckedSentence(sentence, self._ordered(sentence, supporting), missing)

    def _ordered(self, sentence: Sentence, supporting: tuple[int, ...]) -> tuple[int, ...]:
        """Return the passages that share most of the sentence's words first."""
        terms = _terms(sentence.bare)
        return tuple(
            sorted(supporting, key=lambda number: -len(terms & self._prepared[number - 1].terms))
        )

    def _missing(self, text: str, passage: _Passage, is_cited: bool) -> tuple[str, ...]:
        """Return the claims of a sentence that neither the passage nor the question contains.

        A sentence without such claims must share many words with the passage, one with claims at
        least one. Words cannot be compared between languages; there, the sentence must share a
        claim or cite the passage.
        """
        figures, names = find_figures(text), _names(text)
        missing = [
            figure.text
            for figure in figures
            if not passage.has_figure(figure) and figure.number not in self._asked.numbers
        ]
        missing += [name for name in names if not self._is_known(name, passage)]
        if not missing and not self._is_about(text, passage, bool(figures or names), is_cited):
            missing.append(text)
        return tuple(dict.fromkeys(missing))

    def _is_about(self, text: str, passage: _Passage, shares_claims: bool, is_cited: bool) -> bool:
        """Whether a sentence is about the passage: by shared words, claims or citation."""
        if not _same_script(text, passage):
            return shares_claims or is_cited
        terms = _terms(text)
        shared = len(terms & (passage.terms | self._asked.terms))
        return shared >= (min(1, len(terms)) if shares_claims else MIN_SHARED_WORDS * len(terms))

    def _is_known(self, name: str, passage: _Passage) -> bool:
        """Whether a name occurs in the passage or the question, in any case and spacing."""
        compact = _compact(name)
        return compact in passage.compact or compact in self._asked.compact


def _names(text: str) -> list[str]:
    """Return the codes, acronyms, proper names and quoted words of a sentence."""
    codes = find_codes(text)
    text = remove_figures(text)
    names = [*codes, *_ACRONYM.findall(text), *_QUOTED.findall(text)]
    latin = _LATIN_WORD if re.search(f"[{_HAN}]", text) else _PROPER_NAME
    return [*names, *latin.findall(text)]


def _terms(text: str) -> frozenset[str]:
    """Return the words of a text that carry meaning: English stems, Chinese pairs of characters."""
    terms: set[str] = set()
    for run in _TERM.findall(normalize(text)):
        if run.isascii():
            terms.add(run[:_STEM_LENGTH])
        else:
            terms.update(run[start : start + 2] for start in range(len(run) - 1))
    return frozenset(terms)


def _compact(text: str) -> str:
    """Return the text for comparing names: one case, without spaces and separators."""
    return _SEPARATORS.sub("", normalize(text))


def _same_script(text: str, passage: _Passage) -> bool:
    """Whether sentence and passage are both Chinese or both not, so that words can be compared."""
    return bool(re.search(f"[{_HAN}]", text)) == bool(re.search(f"[{_HAN}]", passage.compact))
