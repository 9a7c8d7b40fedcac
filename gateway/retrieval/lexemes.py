"""The words that a text is found by: fault codes and part numbers whole and in parts.

PostgreSQL's own parser takes a run of Chinese for one word. Owns what counts as a word; a query's
are made like a text's. Pure.
"""

import re
import unicodedata
from collections.abc import Sequence
from uuid import UUID

# Beyond these a text's words are not looked for: a question has some ten, a piece some hundreds.
MOST_ASKED = 32
_LONGEST = 64
_HAN = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[^\W_{_HAN}]+(?:[-_./+][^\W_{_HAN}]+)*|[{_HAN}]+")
_PART = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d{3,}")
_SEPARATORS = re.compile(r"[-_./+]")


def terms(text: str) -> list[str]:
    """Each once, in the order in which they come. Chinese is taken by pairs of characters."""
    found: dict[str, None] = {}
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).lower()):
        found.update(dict.fromkeys(_of(word)))
    return [term for term in found if len(term) <= _LONGEST]


def asked(text: str) -> list[str]:
    """Those of a question: what has a digit in it first, since that is what only words find."""
    return sorted(terms(text), key=lambda term: not any(map(str.isdigit, term)))[:MOST_ASKED]


def lexemes(store_id: UUID, words: Sequence[str]) -> list[str]:
    """The words as the index has them, each store's its own: else the index would have to look
    through every account's pieces for a word that all use."""
    return [mark_of(store_id) + word for word in words]


def mark_of(store_id: UUID) -> str:
    """What the store's words begin with: of a UUIDv7 the last digits are chance."""
    return store_id.hex[-12:]


def _of(word: str) -> list[str]:
    if re.match(rf"[{_HAN}]", word):
        return [word[start : start + 2] for start in range(max(1, len(word) - 1))]
    made = [word]
    parts = _PART.findall(word)
    if len(parts) > 1:
        made += [_SEPARATORS.sub("", word), *parts]
    # So that `30001` finds `F30001`.
    made += [number for part in parts if not part.isdigit() for number in _NUMBER.findall(part)]
    return made
