"""Fonts of documents: a missing character is replaced by its code point, never left blank."""

import pytest

from billing.invoice_documents.rendering.fonts import (
    add_line_breaks,
    font_folders,
    replace_missing_glyphs,
)


class TestMissingGlyphs:
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
    def test_available_characters_are_unchanged(self, text: str) -> None:
        assert replace_missing_glyphs(text) == text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("\U00013000", "[U+13000]"),  # a hieroglyph
            ("\ue000", "[U+E000]"),  # private use: no defined meaning
            ("a\ud800", "a[U+D800]"),  # lone surrogate
            ("精\u0483", "精[U+0483]"),  # no font has both characters
            ("\u0378", "[U+0378]"),  # not assigned
        ],
    )
    def test_missing_character_is_replaced_by_its_code_point(self, text: str, shown: str) -> None:
        assert replace_missing_glyphs(text) == shown

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("a\x00b\x1b", "a b "),
            ("\u200b", ""),
            (
                "a\u200bb\u202e\ufeff",
                "ab",
            ),  # invisible characters, one of which changes the text direction
            ("❤\ufe0f", "❤"),
            ("e\u0301", "\u00e9"),
            ("a\r\nb\u2028c", "a\nb\nc"),
        ],
    )
    def test_invisible_characters_are_removed_or_normalised(self, text: str, shown: str) -> None:
        assert replace_missing_glyphs(text) == shown


class TestLineBreaks:
    def test_long_words_get_break_opportunities(self) -> None:
        assert add_line_breaks("W" * 40) == "\u200b".join(["W" * 16, "W" * 16, "W" * 8])

    @pytest.mark.parametrize("text", ["W" * 24, "a short text of words", "很长的名字" * 20])
    def test_short_words_and_chinese_text_are_unchanged(self, text: str) -> None:
        assert add_line_breaks(text) == text


def test_fonts_include_their_open_font_licence() -> None:
    for folder in font_folders():
        (licence,) = folder.parent.glob(f"{folder.name}-*.dist-info/licenses/LICENSE*")
        assert "SIL OPEN FONT LICENSE" in licence.read_text("utf-8").upper()
