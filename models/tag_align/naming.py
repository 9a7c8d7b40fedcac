"""Names read as words: plant tags and concept names alike.

Owns what a usable tag is, splitting one into words, its pattern (the words with numbers masked) and
writing abbreviations, German compounds and Chinese terms out.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MAX_TAG = 512
NUMBER = "#"

Words = tuple[str, ...]

# Runs of one script and one case: `RoomTemp12`, `AHU1A` and `温度T1` part where their kinds meet.
_RUN = re.compile(r"[一-鿿]+|[A-Z]?[^\W\dA-Z_一-鿿]+|[A-Z]+(?![^\W\dA-Z_一-鿿])|\d+")
_LONGEST_PHRASE = 3
_SHORTEST_WORD = 3
# Below five letters a run is an abbreviation, not a compound.
_SHORTEST_COMPOUND = 5
_SHORTEST_PIECE, _LONGEST_PIECE = 4, 24
# `Activedac` is "active" and three letters that nobody knows; "meter" in `Perimeter` is chance.
_KNOWN_SHARE = 0.6


class TagInvalid(ValueError):
    """A tag that cannot be read: empty, too long or with characters that are no text."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Abbreviations and foreign terms, as words, with the English words they stand for.

    pieces: what a compound without separators may be made of.
    """

    meanings: Mapping[Words, Words]
    pieces: frozenset[str]

    def expand(self, words: Sequence[str]) -> Words:
        """The words written out, the longest known phrase first."""
        parts = [part for word in words for part in self._parts(word)]
        expanded: list[str] = []
        while parts:
            size, meaning = self._longest(parts)
            expanded.extend(meaning)
            parts = parts[size:]
        return tuple(expanded)

    def _longest(self, words: Sequence[str]) -> tuple[int, Words]:
        for size in range(min(_LONGEST_PHRASE, len(words)), 0, -1):
            if meaning := self.meanings.get(tuple(words[:size])):
                return size, meaning
        return 1, (words[0],)

    def _parts(self, word: str) -> Words:
        """A compound's pieces; a word that is known, or of which too little is, stays whole."""
        if word in self.pieces or not is_long(word):
            return (word,)
        parts = _divide(word, self.pieces)
        known = sum(len(part) for part in parts if part in self.pieces)
        return parts if is_chinese(word) or known >= _KNOWN_SHARE * len(word) else (word,)


def lexicon(entries: Iterable[tuple[str, str]], further_pieces: Iterable[str] = ()) -> Lexicon:
    """A lexicon of (abbreviation, meaning) pairs; `further_pieces` are words known as they are."""
    meanings = {split(short): split(meaning) for short, meaning in entries}
    single = {words[0] for words in meanings if len(words) == 1}
    meant = {word for words in meanings.values() for word in words}
    return Lexicon(meanings, frozenset(filter(_is_piece, single | meant | set(further_pieces))))


def check(tag: str) -> str:
    """The tag without surrounding space. Raises TagInvalid."""
    stripped = tag.strip()
    if not stripped:
        raise TagInvalid("The tag is empty.")
    if len(stripped) > MAX_TAG:
        raise TagInvalid(f"The tag has {len(stripped)} characters; at most {MAX_TAG} are read.")
    for character in stripped:
        # A lone surrogate is no text, and the encoder's C string would end at a NUL.
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise TagInvalid(f"The tag holds the control character U+{ord(character):04X}.")
    return stripped


def split(text: str) -> Words:
    """Lower-case words and numbers, in order, of a name in any script."""
    # Compatibility forms (full-width letters, subscripts) read as what they look like, and
    # characters without width, such as direction marks, are not seen at all.
    folded = unicodedata.normalize("NFKC", text)
    visible = "".join(one for one in folded if unicodedata.category(one) != "Cf")
    return tuple(run.lower() for run in _RUN.findall(visible))


def pattern(words: Sequence[str]) -> Words:
    """The words with every number masked: what the tags of equal equipment have in common."""
    return tuple(NUMBER if word.isdigit() else word for word in words)


def without_numbers(words: Sequence[str]) -> Words:
    """The words alone: a room's number must not be likened to the 2 of CO2."""
    return tuple(word for word in words if not word.isdigit())


def is_chinese(word: str) -> bool:
    return "一" <= word[:1] <= "鿿"


def is_word(word: str) -> bool:
    """Whether it may be a word of a language; of two letters nearly all are abbreviations."""
    return is_chinese(word) or (word.isalpha() and len(word) >= _SHORTEST_WORD)


def is_long(word: str) -> bool:
    """Whether it is more than an abbreviation: a word whose meaning could be looked up."""
    return is_chinese(word) or len(word) >= _SHORTEST_COMPOUND


def _is_piece(word: str) -> bool:
    return is_chinese(word) or _SHORTEST_PIECE <= len(word) <= _LONGEST_PIECE


def _divide(word: str, pieces: frozenset[str]) -> Words:
    """The division with the fewest unknown letters and then the fewest pieces."""
    best: list[tuple[int, int, Words]] = [(0, 0, ())]
    for end in range(1, len(word) + 1):
        unknown, count, before = best[end - 1]
        ways = [(unknown + 1, count + 1, (*before, word[end - 1 : end]))]
        for start in range(max(0, end - _LONGEST_PIECE), end):
            if word[start:end] in pieces:
                unknown, count, before = best[start]
                ways.append((unknown, count + 1, (*before, word[start:end])))
        best.append(min(ways))
    return _joined(best[-1][2], pieces)


def _joined(parts: Words, pieces: frozenset[str]) -> Words:
    """Neighbouring unknown letters as one part."""
    joined: list[str] = []
    for index, part in enumerate(parts):
        if index and part not in pieces and parts[index - 1] not in pieces:
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)
