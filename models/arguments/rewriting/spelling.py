"""Correct misspelled words that name columns: `curent`, `producton`, `enrgy`.

A word is corrected if exactly one word of the lexicon is one letter away: missing, added, changed,
or exchanged with its neighbour. Words of fewer than five letters are left alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from models.arguments.lexicon import all_words

_MIN_LENGTH = 5
_WORD = re.compile(r"(?<![A-Za-z0-9_.\-/])[A-Za-z]{5,20}(?![A-Za-z0-9_\-/])")
# Right words that are one letter away from one of the lexicon.
_RIGHT = frozenset(
    (
        "heads loads shift shifts plane plans plants points print quality while whole other order "
        "prices valves values needed trains actually posted starts should tooling runner readers "
        "packer presser printer welder stamper moulder molder uppers middles"
    ).split()
)


def with_right_spelling(text: str) -> str:
    """Return a normalized text with misspelled words of the lexicon corrected."""
    return _WORD.sub(lambda match: _corrected(match[0]), text)


@lru_cache(maxsize=2048)
def _corrected(word: str) -> str:
    """Return the only word of the lexicon that is one letter away, else the word."""
    folded = word.lower()
    index = _index()
    if folded in index.words or folded in _RIGHT:
        return word
    near = {
        known
        for variant in (folded, *_without_one(folded))
        for known in index.near.get(variant, ())
        if _is_one_away(folded, known)
    }
    return near.pop() if len(near) == 1 else word


class _Index:
    """The words of the lexicon, and those words by each form that lacks one letter."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = frozenset(words)
        near: dict[str, set[str]] = {}
        for word in self.words:
            if len(word) >= _MIN_LENGTH:
                for variant in (word, *_without_one(word)):
                    near.setdefault(variant, set()).add(word)
        self.near: Mapping[str, set[str]] = near


@lru_cache(maxsize=1)
def _index() -> _Index:
    """Return the index of all words of the lexicon."""
    return _Index(
        word
        for phrase in all_words()
        for word in re.findall(r"[a-z]+", phrase.lower().replace("_", " "))
    )


def _without_one(word: str) -> Iterator[str]:
    """Return the forms of a word that lack one letter."""
    return (word[:place] + word[place + 1 :] for place in range(len(word)))


def _is_one_away(word: str, known: str) -> bool:
    """Return whether one edit, or one exchange of neighbours, makes a word another one."""
    if known in (f"{word}s", word.removesuffix("s")):  # another number is no mistake
        return False
    if word[0] != known[0]:  # the first letter is rarely wrong, and tells words apart
        return False
    if len(word) != len(known):
        short, long = sorted((word, known), key=len)
        return len(long) - len(short) == 1 and short in set(_without_one(long))
    places = [
        place for place, pair in enumerate(zip(word, known, strict=True)) if pair[0] != pair[1]
    ]
    if len(places) == 1:
        return True
    if len(places) != 2 or places[1] - places[0] != 1:
        return False
    first, second = places
    return word[first] == known[second] and word[second] == known[first]
