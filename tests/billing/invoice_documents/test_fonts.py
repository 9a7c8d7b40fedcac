"""Text that the fonts of documents can show: a missing character is named, never blank."""

import pytest

from billing.invoice_documents.rendering.fonts import (
    add_line_breaks,
    font_folders,
    replace_missing_glyphs,
)


class TestPrintable:
    @pytest.mark.parametrize(
        "text",
        [
            "Acme 12.50",
            "精密制造有限公司（上海）",
            "Łódź Čapek Đặng ß €",
            "䶮 𠮷 한국 カナ",
            "😀 ⚙",
            "שלום مرحبا ไทย",
            "two\nlines",
        ],
    )
    def test_what_a_font_has_stays(self, text: str) -> None:
        assert replace_missing_glyphs(text) == text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("\U00013000", "[U+13000]"),  # a hieroglyph
            ("\ue000", "[U+E000]"),  # private use: no meaning that a reader could know
            ("a\ud800", "a[U+D800]"),  # half of a pair
            ("精\u0483", "精[U+0483]"),  # no font has both
            ("\u0378", "[U+0378]"),  # not assigned
        ],
    )
    def test_what_no_font_has_is_written_as_its_code_point(self, text: str, shown: str) -> None:
        assert replace_missing_glyphs(text) == shown

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("a\x00b\x1b", "a b "),
            ("\u200b", ""),
            ("a\u200bb\u202e\ufeff", "ab"),  # what shows nothing, and could turn text around
            ("❤\ufe0f", "❤"),
            ("e\u0301", "\u00e9"),
            ("a\r\nb\u2028c", "a\nb\nc"),
        ],
    )
    def test_what_shows_nothing_is_left_out(self, text: str, shown: str) -> None:
        assert replace_missing_glyphs(text) == shown


class TestBreakable:
    def test_long_words_may_break(self) -> None:
        assert add_line_breaks("W" * 40) == "\u200b".join(["W" * 16, "W" * 16, "W" * 8])

    @pytest.mark.parametrize("text", ["W" * 24, "a short text of words", "很长的名字" * 20])
    def test_others_stay(self, text: str) -> None:
        assert add_line_breaks(text) == text


def test_the_fonts_come_with_their_licences() -> None:
    for folder in font_folders():
        (licence,) = folder.parent.glob(f"{folder.name}-*.dist-info/licenses/LICENSE*")
        assert "SIL OPEN FONT LICENSE" in licence.read_text("utf-8").upper()
