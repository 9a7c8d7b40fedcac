"""Normalize texts, so that spelling variants of the same answer are equal, and find text in text.

NFKC (full-width characters), case, spaces and punctuation do not matter. Punctuation that is part
of a number, and `%`, `/`, `#`, `&` and `@`, are kept: `-5`, `0.5` and `5 %` are not `5`.
"""

import re
import unicodedata

from models.grounding.sentences import CITATION

# Punctuation by its Unicode category, but with a meaning of its own.
_KEPT_PUNCTUATION = frozenset("%‰/\\#&@")
# Not punctuation by its category, but only markup.
_DROPPED_SYMBOLS = frozenset("`^~´¨")
_MINUS_SIGNS = str.maketrans({"−": "-", "‐": "-", "‑": "-"})
_THOUSANDS_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_HAN = "\u3400-\u9fff\uf900-\ufaff"
_SPACE_BESIDE_HAN = re.compile(rf"(?<=[{_HAN}]) | (?=[{_HAN}])")
_IS_HAN = re.compile(rf"[{_HAN}]")


def remove_citations(text: str) -> str:
    """Return the text without citation marks such as `[1]`, which an answer from files has."""
    return CITATION.sub("", text)


def normalize(text: str) -> str:
    """Return the text with NFKC, case, spaces and punctuation normalized."""
    folded = unicodedata.normalize("NFKC", text).translate(_MINUS_SIGNS).casefold()
    folded = _THOUSANDS_SEPARATOR.sub("", folded)
    kept = "".join(
        character if _is_kept(folded, position) else " "
        for position, character in enumerate(folded)
    )
    return _SPACE_BESIDE_HAN.sub("", " ".join(kept.split()))


def contains(text: str, part: str) -> bool:
    """Return whether a normalized text has a normalized part as whole words and whole numbers.

    Chinese has no spaces between words, so a Chinese part may begin and end anywhere.
    """
    if not part:
        return False
    return any(
        _is_boundary(text[max(0, found.start() - 2) : found.start()], part, before=True)
        and _is_boundary(text[found.end() : found.end() + 2], part, before=False)
        for found in re.finditer(re.escape(part), text)
    )


def _is_kept(text: str, position: int) -> bool:
    """Return whether the character at this position is kept: not punctuation, or in a number."""
    character = text[position]
    if character in _DROPPED_SYMBOLS:
        return False
    if unicodedata.category(character)[0] != "P" or character in _KEPT_PUNCTUATION:
        return True
    if not text[position + 1 : position + 2].isdigit():
        return False
    previous = text[position - 1] if position else " "
    if character in ".," and previous.isdigit():
        return True
    return character in "-." and not previous.isalnum()


def _is_boundary(beside: str, part: str, before: bool) -> bool:
    """Return whether no word or number continues from `part` into the characters beside it."""
    edge, neighbour = (part[0], beside[-1:]) if before else (part[-1], beside[:1])
    if not neighbour or not _is_word_character(edge):
        return True
    if edge.isdigit():
        pattern = r"\d[.,]|.?-" if before else r"[.,]\d"
        if re.fullmatch(pattern, beside):
            return False
    return not _is_word_character(neighbour)


def _is_word_character(character: str) -> bool:
    """Return whether a character continues a word: a letter or digit that is not Chinese."""
    return character.isalnum() and not _IS_HAN.match(character)
