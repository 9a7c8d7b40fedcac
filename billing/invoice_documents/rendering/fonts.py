"""Fonts of PDF documents, from installed packages, and preparation of text for them.

Every document embeds subsets of these fonts (Noto, SIL Open Font License), so it looks the same on
every machine. PDF/A forbids references to missing glyphs, so a character that no font has is
replaced by its code point, such as `[U+1F9FF]`.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from fontTools.ttLib import TTFont

# Font packages; the second has rare Chinese characters and Korean.
_CHINESE, _CJK, _SCRIPTS = "pylopdf_fonts_zh_cn", "manimgx_fonts_cjk", "manimgx_fonts"
# Searched in this order for the first font that has a character.
_FONT_FILES = (
    (_SCRIPTS, "NotoSans[wght].ttf"),
    (_CHINESE, "NotoSansSC-Regular.otf"),
    (_CJK, "NotoSansCJK-VF.otf.ttc"),
    (_SCRIPTS, "NotoEmoji[wght].ttf"),
    (_SCRIPTS, "NotoSansSymbols[wght].ttf"),
    *(
        (_SCRIPTS, f"NotoSans{script}[wght].ttf")
        for script in (
            *("Arabic", "Armenian", "Bengali", "Devanagari", "Ethiopic", "Georgian", "Gujarati"),
            *("Gurmukhi", "Hebrew", "Kannada", "Khmer", "Lao", "Malayalam", "Myanmar", "Oriya"),
            *("Sinhala", "Tamil", "Telugu", "Thai"),
        )
    ),
)
_ASCII_TEXT = re.compile(r"[\n -~]*", re.ASCII)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# Long words without a space. Chinese text can break between any two characters.
_LONG_WORD = re.compile(r"[!-~\u00a1-\u2fff]{25,}")
_CHUNK_LENGTH = 16
_ZERO_WIDTH_SPACE = "\u200b"


@cache
def font_folders() -> tuple[Path, ...]:
    """Return the folders of the installed font packages."""
    return tuple(Path(str(files(package))) for package in (_CHINESE, _CJK, _SCRIPTS))


def replace_missing_glyphs(text: str) -> str:
    """Replace characters that no font has by their code points; line breaks are preserved."""
    if _ASCII_TEXT.fullmatch(text):
        return text
    composed = unicodedata.normalize("NFC", "\n".join(text.splitlines()))
    return "".join(_render_cluster(cluster) for cluster in _clusters(_remove_invisible(composed)))


def add_line_breaks(text: str) -> str:
    """Replace missing glyphs and insert zero-width spaces where long words may wrap."""
    return _LONG_WORD.sub(
        lambda match: _ZERO_WIDTH_SPACE.join(_split_word(match[0])), replace_missing_glyphs(text)
    )


def _split_word(word: str) -> list[str]:
    """Split a word into pieces of at most _CHUNK_LENGTH characters."""
    return [word[at : at + _CHUNK_LENGTH] for at in range(0, len(word), _CHUNK_LENGTH)]


def _remove_invisible(text: str) -> str:
    """Remove format characters and variation selectors; replace control characters by spaces."""
    categories = ((unicodedata.category(char), char) for char in _INVISIBLE.sub("", text))
    return "".join(
        " " if category == "Cc" and char != "\n" else char
        for category, char in categories
        if category != "Cf"
    )


def _clusters(text: str) -> Iterator[str]:
    """Split text into clusters: a character with its combining marks each."""
    cluster = ""
    for char in text:
        if cluster and not unicodedata.category(char).startswith("M"):
            yield cluster
            cluster = ""
        cluster += char
    if cluster:
        yield cluster


def _render_cluster(cluster: str) -> str:
    """Return the cluster if one font has all of it; else its marks, or all, as code points."""
    if cluster == "\n" or _has_glyphs(cluster):
        return cluster
    base = cluster[0] if _has_glyphs(cluster[0]) else _format_code_point(cluster[0])
    return base + "".join(_format_code_point(mark) for mark in cluster[1:])


def _has_glyphs(cluster: str) -> bool:
    """Return whether one font has glyphs for all characters of a cluster."""
    # Private-use characters have glyphs in some fonts, but no defined meaning.
    if any(unicodedata.category(char) == "Co" for char in cluster):
        return False
    return any(
        _font_characters(index).issuperset(map(ord, cluster)) for index in range(len(_FONT_FILES))
    )


def _format_code_point(character: str) -> str:
    """Format a character's code point in brackets, such as `[U+20AC]`."""
    return f"[U+{ord(character):04X}]"


@cache
def _font_characters(index: int) -> frozenset[int]:
    """Return the code points of a font; loaded only when earlier fonts lack a character."""
    package, name = _FONT_FILES[index]
    with TTFont(str(files(package) / name), fontNumber=0, lazy=True) as font:
        return frozenset(font.getBestCmap())
