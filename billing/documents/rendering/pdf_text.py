"""Text in a PDF: one font for Chinese and Latin that every reader of PDF brings itself.

STSong-Light is named, not embedded. It lacks accented Latin letters, which Helvetica has. Owns
fonts, styles and escaping. Pure.
"""

import re
from html import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Paragraph

FONT = "STSong-Light"
INK = HexColor(0x1C2733)
FAINT = HexColor(0x6B7885)
RULE = HexColor(0xD5DBE1)
_ACCENTED = re.compile("[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u20ac\u00a3]+")
_CHINESE = re.compile("[\u3000-\u9fff\uf900-\ufaff\uff00-\uffef]")
_UNKNOWN = re.compile("[\U00010000-\U0010ffff]")  # what two bytes a character cannot say


def register_font() -> None:
    """Make the font known; doing it again changes nothing."""
    if FONT not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(FONT))


def paragraph(text: str, size: float = 9, *, faint: bool = False, right: bool = False) -> Paragraph:
    """Text that wraps where it must; line breaks in it are kept."""
    style = ParagraphStyle(
        "text",
        fontName=FONT,
        fontSize=size,
        leading=size * 1.4,
        textColor=FAINT if faint else INK,
        alignment=TA_RIGHT if right else TA_LEFT,
        # Chinese breaks between any two characters, Latin between words.
        wordWrap="CJK" if _CHINESE.search(text) else None,
        splitLongWords=1,
    )
    return Paragraph(markup(text), style)


def markup(text: str) -> str:
    """Text as reportlab's markup, which it cannot break out of."""
    shown = escape(_UNKNOWN.sub("□", text), quote=False)
    shown = _ACCENTED.sub(lambda found: f'<font name="Helvetica">{found[0]}</font>', shown)
    return "<br/>".join(shown.splitlines())
