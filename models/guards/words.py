"""Find the words of a list in a text: Latin words as whole words, Chinese ones by their characters.

A token is a Latin word or number, or one character of a script without spaces. Case is ignored.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from models.guards.normalization import normalize
from models.languages import CJK

_TOKEN = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")
# What may stand between the tokens of a word of several: `project-x` is `Project X`.
_GAP = re.compile(r"[\s\-_./+\u00b7]{1,3}")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text without case, with the range of each in the normalized text."""

    texts: Sequence[str]
    ranges: Sequence[tuple[int, int]]

    def gap_before(self, number: int) -> tuple[int, int]:
        """Return the range between a token and the one before it, empty if there is no gap."""
        return self.ranges[number - 1][1], self.ranges[number][0]


@dataclass(frozen=True, slots=True)
class _Word:
    """The tokens of a word of the list, and whether each follows the one before without a gap."""

    texts: list[str]
    is_joined: tuple[bool, ...]


def tokenize(text: str) -> Tokens:
    """Return the tokens of a text."""
    return _tokenize_normalized(normalize(text).text)


def _tokenize_normalized(text: str) -> Tokens:
    """Return the tokens of a normalized text."""
    ranges = [match.span() for match in _TOKEN.finditer(text)]
    return Tokens([text[start:end].casefold() for start, end in ranges], ranges)


class WordMatcher:
    """Finds the words of a list, in time that does not grow with the length of the list."""

    def __init__(self, words: Iterable[str]) -> None:
        by_first: defaultdict[str, list[_Word]] = defaultdict(list)
        for word in words:
            tokens = tokenize(word)
            if tokens.texts:
                by_first[tokens.texts[0]].append(_parse(tokens))
        # The longest word first, so that all of it is masked.
        self._by_first = {
            first: sorted(found, key=lambda one: len(one.texts), reverse=True)
            for first, found in by_first.items()
        }

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the ranges of the words in a normalized text, which may overlap."""
        # Most texts have no word's first token; finding that out takes a tenth of the time.
        if self._by_first.keys().isdisjoint(_TOKEN.findall(text.casefold())):
            return
        tokens = _tokenize_normalized(text)
        for number, token in enumerate(tokens.texts):
            for word in self._by_first.get(token, ()):
                if _matches(word, tokens, number, text):
                    last = number + len(word.texts) - 1
                    yield tokens.ranges[number][0], tokens.ranges[last][1]
                    break


def _parse(tokens: Tokens) -> _Word:
    """Return a word of the list from its tokens."""
    gaps = (tokens.gap_before(number) for number in range(1, len(tokens.texts)))
    return _Word(list(tokens.texts), tuple(start == end for start, end in gaps))


def _matches(word: _Word, tokens: Tokens, first: int, text: str) -> bool:
    """Whether the tokens from `first` on are those of a word, with the gaps that it allows."""
    if tokens.texts[first : first + len(word.texts)] != word.texts:
        return False
    for number, is_joined in enumerate(word.is_joined, start=first + 1):
        start, end = tokens.gap_before(number)
        if is_joined != (start == end) or not (is_joined or _GAP.fullmatch(text, start, end)):
            return False
    return True
