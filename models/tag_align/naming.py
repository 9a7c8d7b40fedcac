"""Tokenize plant tags and concept names into words, and expand abbreviations and compounds.

The pattern of a tag is its words with the numbers masked.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from models.sentences import sentence

MAX_TAG_LENGTH = 512
NUMBER = "#"

Words = tuple[str, ...]

# Runs of one script and one case: `RoomTemp12`, `AHU1A` and `温度T1` are split where the kind of
# character changes.
_RUN = re.compile(r"[一-鿿]+|[A-Z]?[^\W\dA-Z_一-鿿]+|[A-Z]+(?![^\W\dA-Z_一-鿿])|\d+")
_MAX_PHRASE_WORDS = 3
_MIN_WORD_LENGTH = 3
# A run of fewer letters is an abbreviation, not a compound.
_MIN_COMPOUND_LENGTH = 5
_MIN_PART_LENGTH, _MAX_PART_LENGTH = 4, 24
# The share of a compound's letters that must belong to known parts: `Activedac` is "active" and
# three unknown letters, but "meter" in `Perimeter` is a coincidence.
_MIN_KNOWN_SHARE = 0.6


class TagInvalid(ValueError):
    """A tag that is empty, too long or contains control characters."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """English expansions of abbreviations and foreign terms.

    expansions: English words by the words of the abbreviation or term. compound_parts: words that
    a compound without separators may consist of.
    """

    expansions: Mapping[Words, Words]
    compound_parts: frozenset[str]

    def expand(self, words: Sequence[str]) -> Words:
        """Expand the abbreviations and terms in `words`, the longest known phrase first."""
        parts = [part for word in words for part in self._split_if_compound(word)]
        expanded: list[str] = []
        while parts:
            size, expansion = self._match_longest_phrase(parts)
            expanded.extend(expansion)
            parts = parts[size:]
        return tuple(expanded)

    def _match_longest_phrase(self, words: Sequence[str]) -> tuple[int, Words]:
        """Return the length and expansion of the longest known phrase at the start."""
        for size in range(min(_MAX_PHRASE_WORDS, len(words)), 0, -1):
            if expansion := self.expansions.get(tuple(words[:size])):
                return size, expansion
        return 1, (words[0],)

    def _split_if_compound(self, word: str) -> Words:
        """Split a compound into its parts.

        A word in the lexicon, or a word of mostly unknown letters, is returned unsplit.
        """
        if word in self.compound_parts or not is_long_word(word):
            return (word,)
        parts = _split_compound(word, self.compound_parts)
        known_letters = sum(len(part) for part in parts if part in self.compound_parts)
        return (
            parts if is_chinese(word) or known_letters >= _MIN_KNOWN_SHARE * len(word) else (word,)
        )


def with_known_words(lexicon: Lexicon, words: Iterable[str]) -> Lexicon:
    """Return a lexicon whose compounds may consist of further words too."""
    parts = lexicon.compound_parts | frozenset(filter(_is_compound_part, words))
    return Lexicon(lexicon.expansions, parts)


def build_lexicon(entries: Iterable[tuple[str, str]], known_words: Iterable[str] = ()) -> Lexicon:
    """Build a lexicon of (abbreviation, meaning) pairs.

    known_words: further words that compounds may consist of.
    """
    expansions = {split_words(short): split_words(expansion) for short, expansion in entries}
    single_words = {words[0] for words in expansions if len(words) == 1}
    expansion_words = {word for words in expansions.values() for word in words}
    return Lexicon(
        expansions,
        frozenset(filter(_is_compound_part, single_words | expansion_words | set(known_words))),
    )


def validate_tag(tag: str) -> str:
    """Validate a tag and strip surrounding whitespace. Raises TagInvalid."""
    stripped = tag.strip()
    if not stripped:
        raise TagInvalid(sentence("The tag is empty."))
    if len(stripped) > MAX_TAG_LENGTH:
        raise TagInvalid(
            sentence(
                "The tag has {count} characters; at most {most} are allowed.",
                count=len(stripped),
                most=MAX_TAG_LENGTH,
            )
        )
    for character in stripped:
        # A lone surrogate cannot be encoded as UTF-8, and a NUL would end the encoder's C string.
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise TagInvalid(
                sentence(
                    "The tag contains the control character U+{code:04X}.", code=ord(character)
                )
            )
    return stripped


def split_words(text: str) -> Words:
    """Split a name in any script into lower-case words and numbers, in order."""
    # NFKC maps compatibility forms (full-width letters, subscripts) to plain characters; zero-width
    # characters, such as direction marks, are removed.
    folded = unicodedata.normalize("NFKC", text)
    visible = "".join(character for character in folded if unicodedata.category(character) != "Cf")
    return tuple(run.lower() for run in _RUN.findall(visible))


def mask_numbers(words: Sequence[str]) -> Words:
    """Return the pattern of a tag: its words with every number masked.

    Tags of the same point on identical equipment have the same pattern.
    """
    return tuple(NUMBER if word.isdigit() else word for word in words)


def without_numbers(words: Sequence[str]) -> Words:
    """Return the words without numbers, so that a room number does not match the 2 of CO2."""
    return tuple(word for word in words if not word.isdigit())


def is_chinese(word: str) -> bool:
    """Whether the word begins with a Chinese character."""
    return "一" <= word[:1] <= "鿿"


def is_word(word: str) -> bool:
    """Whether `word` may be a word of a language; nearly all two-letter words are abbreviations."""
    return is_chinese(word) or (word.isalpha() and len(word) >= _MIN_WORD_LENGTH)


def is_long_word(word: str) -> bool:
    """Whether `word` is too long for an abbreviation."""
    return is_chinese(word) or len(word) >= _MIN_COMPOUND_LENGTH


def _is_compound_part(word: str) -> bool:
    """Whether a word may be part of a compound, by its length."""
    return is_chinese(word) or _MIN_PART_LENGTH <= len(word) <= _MAX_PART_LENGTH


def _split_compound(word: str, compound_parts: frozenset[str]) -> Words:
    """Split a compound with the fewest unknown letters, then the fewest parts."""
    best: list[tuple[int, int, Words]] = [(0, 0, ())]
    for end in range(1, len(word) + 1):
        unknown, count, prefix = best[end - 1]
        divisions = [(unknown + 1, count + 1, (*prefix, word[end - 1 : end]))]
        for start in range(max(0, end - _MAX_PART_LENGTH), end):
            if word[start:end] in compound_parts:
                unknown, count, prefix = best[start]
                divisions.append((unknown, count + 1, (*prefix, word[start:end])))
        best.append(min(divisions))
    return _merge_unknown_parts(best[-1][2], compound_parts)


def _merge_unknown_parts(parts: Words, compound_parts: frozenset[str]) -> Words:
    """Merge adjacent unknown letters into one part."""
    merged: list[str] = []
    for index, part in enumerate(parts):
        if index and part not in compound_parts and parts[index - 1] not in compound_parts:
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)
