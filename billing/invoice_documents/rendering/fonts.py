"""The fonts of documents, from installed packages, and the text that they can show.

Every document embeds subsets of these fonts (Noto, SIL Open Font License), so it looks the same on
every machine. PDF/A forbids references to missing glyphs: `printable` writes a character that no
font has as its code point, `[U+1F9FF]`, so that nothing is ever blank.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from fontTools.ttLib import TTFont

# Packages: the second for rare Chinese characters and for Korean.
_CHINESE, _CJK, _SCRIPTS = "pylopdf_fonts_zh_cn", "manimgx_fonts_cjk", "manimgx_fonts"
# Looked at in this order for the first font that has a character.
_FILES = (
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
_PLAIN = re.compile(r"[\n -~]*", re.ASCII)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# Words without a space. Lines of Chinese may break between any characters.
_LONG = re.compile(r"[!-~\u00a1-\u2fff]{25,}")
_PIECE = 16
_BREAK = "\u200b"  # a zero width space


@cache
def font_folders() -> tuple[Path, ...]:
    """The folders of the installed packages of fonts."""
    return tuple(Path(str(files(package))) for package in (_CHINESE, _CJK, _SCRIPTS))


def printable(text: str) -> str:
    """The text in characters that the fonts have; line breaks stay."""
    if _PLAIN.fullmatch(text):
        return text
    composed = unicodedata.normalize("NFC", "\n".join(text.splitlines()))
    return "".join(_shown(cluster) for cluster in _clusters(_visible(composed)))


def breakable(text: str) -> str:
    """The same with places where a long word may go on in the next line."""
    return _LONG.sub(lambda found: _BREAK.join(_pieces(found[0])), printable(text))


def _pieces(word: str) -> list[str]:
    return [word[at : at + _PIECE] for at in range(0, len(word), _PIECE)]


def _visible(text: str) -> str:
    """Without format characters and selectors, which show nothing; control characters as spaces."""
    kinds = ((unicodedata.category(one), one) for one in _INVISIBLE.sub("", text))
    return "".join(
        " " if kind == "Cc" and one != "\n" else one for kind, one in kinds if kind != "Cf"
    )


def _clusters(text: str) -> Iterator[str]:
    """Characters, each with the marks that combine with it."""
    cluster = ""
    for one in text:
        if cluster and not unicodedata.category(one).startswith("M"):
            yield cluster
            cluster = ""
        cluster += one
    if cluster:
        yield cluster


def _shown(cluster: str) -> str:
    """The cluster where one font has all of it; else its marks, or all, as code points."""
    if cluster == "\n" or _has_glyphs(cluster):
        return cluster
    base = cluster[0] if _has_glyphs(cluster[0]) else _code_point(cluster[0])
    return base + "".join(_code_point(mark) for mark in cluster[1:])


def _has_glyphs(cluster: str) -> bool:
    # Characters of private use have a glyph in some fonts, and no meaning that a reader could know.
    if any(unicodedata.category(one) == "Co" for one in cluster):
        return False
    return any(_characters(place).issuperset(map(ord, cluster)) for place in range(len(_FILES)))


def _code_point(character: str) -> str:
    return f"[U+{ord(character):04X}]"


@cache
def _characters(place: int) -> frozenset[int]:
    """What one of the fonts has; read when the fonts before it lack a character."""
    package, name = _FILES[place]
    with TTFont(str(files(package) / name), fontNumber=0, lazy=True) as font:
        return frozenset(font.getBestCmap())
