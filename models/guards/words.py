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
class Token:
    """A token without case, its range, and whether it follows the one before without a gap."""

    text: str
    start: int
    end: int
    is_joined: bool


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a text, whose positions are those of the normalized text."""
    return _tokenize_normalized(normalize(text).text)


def _tokenize_normalized(text: str) -> list[Token]:
    """Return the tokens of a normalized text."""
    tokens, end = [], -1
    for match in _TOKEN.finditer(text):
        tokens.append(Token(match[0].casefold(), *match.span(), match.start() == end))
        end = match.end()
    return tokens


class WordMatcher:
    """Finds the words of a list, in time that does not depend on the length of the list."""

    def __init__(self, words: Iterable[str]) -> None:
        by_first: defaultdict[str, list[tuple[Token, ...]]] = defaultdict(list)
        for word in words:
            tokens = tuple(tokenize(word))
            if tokens:
                by_first[tokens[0].text].append(tokens)
        # The longest word first, so that all of it is masked.
        self._by_first = {
            first: sorted(patterns, key=len, reverse=True) for first, patterns in by_first.items()
        }

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the ranges of the words in a normalized text, which may overlap."""
        if not self._by_first:
            return
        tokens = _tokenize_normalized(text)
        for number, token in enumerate(tokens):
            for pattern in self._by_first.get(token.text, ()):
                if _matches(pattern, tokens, number, text):
                    yield token.start, tokens[number + len(pattern) - 1].end
                    break


def _matches(pattern: Sequence[Token], tokens: Sequence[Token], first: int, text: str) -> bool:
    """Whether the tokens from `first` on are those of a word, with the gaps that it allows."""
    found = tokens[first : first + len(pattern)]
    if len(found) < len(pattern):
        return False
    for number in range(1, len(pattern)):
        wanted, token = pattern[number], found[number]
        if wanted.text != token.text or wanted.is_joined != token.is_joined:
            return False
        if not wanted.is_joined and not _GAP.fullmatch(text, found[number - 1].end, token.start):
            return False
    return True
