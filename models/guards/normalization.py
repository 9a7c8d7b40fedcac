"""Normalize a text so that one word has one form, and find the original characters again.

Full-width letters and digits, ligatures and compatibility characters become the usual ones (NFKC);
invisible format characters, by which a word could be split unseen, are left out.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# Full-width forms of ASCII: frequent in Chinese texts, and of the same length when normalized.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_COMBINING_FROM = "\u0300"


@dataclass(frozen=True, slots=True)
class NormalizedText:
    """A normalized text. `starts` and `ends` are the original range of each of its characters.

    They are None if both texts have the same positions.
    """

    text: str
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def original_range(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the original text for a range, not empty, of the normalized text."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def normalize(text: str) -> NormalizedText:
    """Return the normalized text with the positions of its characters."""
    if text.isascii():
        return NormalizedText(text)
    plain = text.translate(_FULL_WIDTH)
    if unicodedata.is_normalized("NFKC", plain) and not _has_format_characters(plain):
        return NormalizedText(plain)
    return _normalize_parts(plain)


def _has_format_characters(text: str) -> bool:
    """Whether a text has invisible format characters, such as a zero-width space."""
    return any(unicodedata.category(one) == "Cf" for one in set(text))


def _normalize_parts(text: str) -> NormalizedText:
    """Normalize each character together with the combining marks that follow it."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    start = 0
    while start < len(text):
        end = start + 1
        while end < len(text) and text[end] >= _COMBINING_FROM and _continues(text[end]):
            end += 1
        part = "".join(
            one
            for one in unicodedata.normalize("NFKC", text[start:end])
            if unicodedata.category(one) != "Cf"
        )
        parts.append(part)
        starts += [start] * len(part)
        ends += [end] * len(part)
        start = end
    return NormalizedText("".join(parts), starts, ends)


def _continues(character: str) -> bool:
    """Whether a character belongs to the one before it."""
    return unicodedata.combining(character) != 0
