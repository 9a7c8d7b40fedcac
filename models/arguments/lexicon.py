"""The words by which people name columns (cues.tsv), the columns' own names included."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from models.signature import InputField

_FILE = Path(__file__).with_name("cues.tsv")
_SYMBOL, _WEAK = "=", "~"
_MODIFIERS = frozenset({"计划", "实际", "标准", "理论", "良品", "合格"})
# Whatever modifies it: `计划单件时间` is the time of a piece.
_OWN_NOUN = "planned_run_time"
_LETTER = re.compile(r"[^\W\d_]")


class Strength(IntEnum):
    """How surely a word names its column."""

    WEAK = 1  # counts only with a number in a unit of the column
    SYMBOL = 2  # in this case, directly before a number
    NAME = 3


@dataclass(frozen=True, slots=True)
class Cue:
    """A word in a text that names a column, and its place."""

    column: str
    strength: Strength
    start: int
    end: int


def _read_words() -> Mapping[str, tuple[str, ...]]:
    """Return the words of cues.tsv by column, with their marks."""
    lines = _FILE.read_text("utf-8").splitlines()
    entries = (line.partition("\t") for line in lines if line and not line.startswith("#"))
    return MappingProxyType(
        {
            column: tuple(unicodedata.normalize("NFKC", words).split("|"))
            for column, _, words in entries
        }
    )


_WORDS = _read_words()


def all_words() -> tuple[str, ...]:
    """Return the words of all columns, without their marks."""
    marks = _SYMBOL + _WEAK
    return tuple(word.lstrip(marks) for words in _WORDS.values() for word in words)


def find_cues(text: str, fields: tuple[InputField, ...]) -> tuple[Cue, ...]:
    """Return the words of a normalized text that name these columns, in their order.

    A word within a longer one of another column is left out, as `speed` in `new speed`, and one
    that begins within a sure one, as `开动时间` in `计划开动时间`.
    """
    found = [cue for field in fields for cue in _cues_of(text, field)]
    found = [_extended(text, cue, found) for cue in found]
    found.sort(key=lambda cue: (cue.start, cue.start - cue.end, -cue.strength))
    kept: list[Cue] = []
    longest, is_sure = (-1, -1), False
    for cue in found:
        span = (cue.start, cue.end)
        is_cut = cue.start < longest[1] and span != longest and is_sure
        if span == longest or (cue.end > longest[1] and not is_cut):
            kept.append(cue)
            is_sure = cue.strength is not Strength.WEAK
        if cue.end > longest[1]:
            longest = span
    return tuple(kept)


def _extended(text: str, cue: Cue, found: Sequence[Cue]) -> Cue:
    """Return a modifier with the word that it modifies: `计划运行` is the planned time."""
    if text[cue.start : cue.end] not in _MODIFIERS:
        return cue
    followers = (
        one.end
        for one in found
        if one.start == cue.end and one.column not in (cue.column, _OWN_NOUN)
    )
    return replace(cue, end=max((cue.end, *followers)))


def names_column(text: str, field: InputField) -> bool:
    """Return whether a whole text, as a table's header, names a column; a unit may follow it."""
    if _LETTER.search(text) is None:  # a cell with a number, of which there may be thousands
        return False
    plain = simplified(re.sub(r"[(\[（【].*$", "", unicodedata.normalize("NFKC", text)))
    return plain in _header_names(field.name)


@lru_cache(maxsize=4096)
def _header_names(column: str) -> frozenset[str]:
    """Return the words that name a column as a whole header, simplified; weak ones too."""
    names = (column, *_WORDS.get(column, ()))
    return frozenset(simplified(name.lstrip(_SYMBOL + _WEAK)) for name in names) - {""}


def simplified(name: str) -> str:
    """Return a name without case, blanks and signs."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name)).lower()


def _cues_of(text: str, field: InputField) -> list[Cue]:
    """Return all words of a text that name one column."""
    return [
        Cue(field.name, strength, match.start(), match.end())
        for strength, pattern in _patterns_of(field.name)
        for match in pattern.finditer(text)
    ]


@lru_cache(maxsize=4096)
def _patterns_of(column: str) -> tuple[tuple[Strength, re.Pattern[str]], ...]:
    """Return one pattern of a column's words for each strength, the longest words first."""
    own = column if len(column) > 2 else _SYMBOL + column
    spoken = () if len(column) <= 2 else (column.replace("_", " "),)
    words = sorted({own, *spoken, *_WORDS.get(column, ())}, key=len, reverse=True)
    patterns = []
    for strength in Strength:
        parts = [
            _pattern(word.lstrip(_SYMBOL + _WEAK), strength)
            for word in words
            if _strength(word) is strength
        ]
        if parts:
            flags = 0 if strength is Strength.SYMBOL else re.IGNORECASE
            patterns.append((strength, re.compile("|".join(parts), flags)))
    return tuple(patterns)


def _strength(word: str) -> Strength:
    """Return the strength that a word's mark means."""
    if word.startswith(_WEAK):
        return Strength.WEAK
    return Strength.SYMBOL if word.startswith(_SYMBOL) else Strength.NAME


def _pattern(name: str, strength: Strength) -> str:
    """Return the pattern of a word; letters of a longer word around it are no match."""
    before = r"(?<![A-Za-z0-9_])" if name[0].isascii() else ""
    after = r"(?![A-Za-z0-9_])" if name[-1].isascii() and name[-1].isalnum() else ""
    if strength is Strength.SYMBOL:
        after += r"(?=\s*(?:[=:≈]|是|为|取|大约|约|is\b|was\b|of\b|equals\b)?\s*\d)"
    return before + re.escape(name).replace(r"\ ", r"[\s_-]*") + after
