"""Extract search terms from text: words, fault codes and part numbers, and their parts.

PostgreSQL's own parser treats a run of Chinese characters as one word. Queries and chunks must be
processed in the same way.
"""

import re
import unicodedata
from collections.abc import Sequence
from uuid import UUID

from models.languages import CJK

# A question has about ten terms, a chunk some hundreds; further terms of a query are ignored.
MAX_QUERY_TERMS = 32
_MAX_TERM_LENGTH = 64
_WORD = re.compile(rf"[^\W_{CJK}]+(?:[-_./+][^\W_{CJK}]+)*|[{CJK}]+")
_PART = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d{3,}")
_SEPARATORS = re.compile(r"[-_./+]")


def extract_terms(text: str) -> list[str]:
    """Return the distinct terms of a text in order of appearance; Chinese as character bigrams."""
    terms: dict[str, None] = {}
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).lower()):
        terms.update(dict.fromkeys(_word_terms(word)))
    return [term for term in terms if len(term) <= _MAX_TERM_LENGTH]


def query_terms(text: str) -> list[str]:
    """Return a query's terms (at most MAX_QUERY_TERMS), those that contain a digit first.

    Codes and numbers come first because vector search does not find them.
    """
    return sorted(extract_terms(text), key=lambda term: not any(map(str.isdigit, term)))[
        :MAX_QUERY_TERMS
    ]


def store_lexemes(store_id: UUID, terms: Sequence[str]) -> list[str]:
    """Return the terms as they are stored in the index, prefixed with the store's id.

    Without the prefix, the index would scan every account's chunks for a common word.
    """
    return [store_prefix(store_id) + term for term in terms]


def store_prefix(store_id: UUID) -> str:
    """Return the prefix of the store's lexemes, the last 12 hex digits of its id (random bits)."""
    return store_id.hex[-12:]


def _word_terms(word: str) -> list[str]:
    """Return a word's terms: itself, its parts, long numbers in these; of Chinese, bigrams."""
    if re.match(rf"[{CJK}]", word):
        return [word[start : start + 2] for start in range(max(1, len(word) - 1))]
    terms = [word]
    parts = _PART.findall(word)
    if len(parts) > 1:
        terms += [_SEPARATORS.sub("", word), *parts]
    # Lets a query for `30001` match `F30001`.
    terms += [number for part in parts if not part.isdigit() for number in _NUMBER.findall(part)]
    return terms
