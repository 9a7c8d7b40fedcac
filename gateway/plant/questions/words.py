"""The words of questions and names (words.toml), and the tokens of a text in these words."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from models.languages import CJK

_FILE = Path(__file__).with_name("words.toml")
_PIECE = re.compile(rf"[{CJK}]+|[^\W_{CJK}]+(?:'[a-z]+)?|[,;，；。?？!！:：、]")
_HAN = re.compile(rf"[{CJK}]")
_ENDINGS = ("'s", "ings", "ing", "ed", "es", "s", "ly")
_MIN_STEM = 3


class TokenKind(StrEnum):
    """What a token is."""

    TERM = "term"
    FRAME = "frame"
    STOP = "stop"
    MARK = "mark"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text: its term, frame or stem, and where it stands in the text."""

    kind: TokenKind
    value: str
    start: int
    end: int

    @property
    def is_content(self) -> bool:
        """Whether a name may consist of it."""
        return self.kind in (TokenKind.TERM, TokenKind.OTHER)


@dataclass(frozen=True, slots=True)
class Words:
    """What each word or phrase stands for, and the longest Chinese word and English phrase.

    `terms` are all words of each term, for searches by a pattern.
    """

    english: Mapping[tuple[str, ...], tuple[TokenKind, str]]
    chinese: Mapping[str, tuple[TokenKind, str]]
    longest_phrase: int
    longest_word: int
    terms: Mapping[str, tuple[str, ...]]
    particles: Mapping[str, tuple[str, ...]]


@cache
def load_words() -> Words:
    """Return the words, read once in a process."""
    tables = tomllib.loads(_FILE.read_text("utf-8"))
    entries = [
        *((TokenKind.STOP, "", word) for word in tables["stop"]["words"]),
        *(
            (TokenKind.FRAME, name, word)
            for name, all_ in tables["frames"].items()
            for word in all_
        ),
        *((TokenKind.TERM, name, word) for name, all_ in tables["terms"].items() for word in all_),
    ]
    english: dict[tuple[str, ...], tuple[TokenKind, str]] = {}
    chinese: dict[str, tuple[TokenKind, str]] = {}
    for kind, name, word in entries:
        if _HAN.search(word):
            chinese[word] = (kind, name)
        else:
            english[tuple(re.findall(r"[a-z0-9]+(?:'[a-z]+)?", word))] = (kind, name)
    return Words(
        english,
        chinese,
        max(len(phrase) for phrase in english),
        max(len(word) for word in chinese),
        {name: tuple(words) for name, words in tables["terms"].items()},
        {name: tuple(words) for name, words in tables["particles"].items()},
    )


def tokens_of(text: str) -> tuple[Token, ...]:
    """Return the tokens of a text; positions are those of `plain_text` of it."""
    return tuple(_tokens(plain_text(text)))


def plain_text(text: str) -> str:
    """Return a text in lower case with compatible characters, character by character."""
    plain = (unicodedata.normalize("NFKC", one).casefold() for one in text)
    return "".join(one if len(one) == 1 else one[:1] or " " for one in plain)


def name_tokens(text: str) -> tuple[str, ...]:
    """Return the words by which a name is recognised: its terms and other words, each once."""
    tokens = tokens_of(re.sub(r"[_/]+", " ", text))
    content = [one.value for one in tokens if one.kind not in (TokenKind.STOP, TokenKind.MARK)]
    return tuple(dict.fromkeys(content))


def _tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a plain text."""
    words = load_words()
    pieces = [(match.group().removesuffix("'s"), match.start()) for match in _PIECE.finditer(text)]
    at = 0
    while at < len(pieces):
        piece, start = pieces[at]
        if _HAN.match(piece):
            yield from _chinese(piece, start, words)
            at += 1
        elif not piece[0].isalnum():
            yield Token(TokenKind.MARK, piece, start, start + len(piece))
            at += 1
        else:
            length, kind, value = _english(
                [one for one, _ in pieces[at : at + words.longest_phrase]], words
            )
            last, last_start = pieces[at + length - 1]
            yield Token(kind, value, start, last_start + len(last))
            at += length


def _english(pieces: list[str], words: Words) -> tuple[int, TokenKind, str]:
    """Return the longest known phrase at the beginning, else the stem of the first word."""
    for length in range(len(pieces), 0, -1):
        for forms in _forms(pieces[:length]):
            found = words.english.get(forms)
            if found is not None:
                kind, value = found
                return length, kind, value or pieces[0]
    return 1, TokenKind.OTHER, _stem(pieces[0])


def _forms(pieces: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield a phrase as written, and with the last word without common endings."""
    yield tuple(pieces)
    *before, last = pieces
    for ending in _ENDINGS:
        if last.endswith(ending) and len(last) - len(ending) >= _MIN_STEM:
            yield (*before, last.removesuffix(ending))
    if last.endswith("ies"):
        yield (*before, f"{last[:-3]}y")


def _stem(word: str) -> str:
    """Return a word without a common ending, so that its forms are the same."""
    if word.endswith("ies") and len(word) > _MIN_STEM + 2:
        return f"{word[:-3]}y"
    for ending in _ENDINGS:
        if (
            word.endswith(ending)
            and len(word) - len(ending) >= _MIN_STEM
            and not word.endswith("ss")
        ):
            return word.removesuffix(ending).rstrip("e")
    return word.rstrip("e") if len(word) > _MIN_STEM else word


def _chinese(run: str, start: int, words: Words) -> Iterator[Token]:
    """Yield the words of a run of Chinese characters, the longest first; else characters."""
    at = 0
    while at < len(run):
        for length in range(min(words.longest_word, len(run) - at), 0, -1):
            word = run[at : at + length]
            found = words.chinese.get(word)
            if found is not None:
                yield Token(found[0], found[1] or word, start + at, start + at + length)
                break
        else:
            length = 1
            yield Token(TokenKind.OTHER, run[at], start + at, start + at + 1)
        at += length
