"""Normalization of texts, and finding whole words and numbers."""

import pytest

from models.evaluation.normalization import contains, normalize, remove_citations


class TestNormalize:
    @pytest.mark.parametrize(
        ("text", "same"),
        [
            ("Replace the  SEAL.", "replace the seal"),
            ("ＡＢＣ　１２３", "abc 123"),
            ("更换 机械密封。", "更换机械密封"),
            ("pump，valve", "pump valve"),
            ("**seal**", "seal"),
            ("1,500 rpm", "1500 rpm"),
            ("10-20", "10–20"),
            ("−5 °C", "-5 °C"),
            ("“tight”", "tight"),
        ],
    )
    def test_spelling_variants_are_equal(self, text: str, same: str) -> None:
        assert normalize(text) == normalize(same)

    @pytest.mark.parametrize(
        ("one", "other"),
        [("-5", "5"), ("0.5", "05"), ("5 %", "5"), ("1/2", "12"), ("C#", "C"), ("a b", "ab")],
    )
    def test_different_values_stay_different(self, one: str, other: str) -> None:
        assert normalize(one) != normalize(other)

    def test_citations_are_removed(self) -> None:
        assert remove_citations("Grease it [1], weekly【2，3】.") == "Grease it , weekly."


class TestContains:
    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("Check the mechanical seal first.", "mechanical seal"),
            ("应先更换机械密封，再试车", "机械密封"),
            ("set 0.5 bar", "0.5 bar"),
            ("It is -5 °C.", "-5 °C"),
        ],
    )
    def test_whole_words_are_found(self, text: str, part: str) -> None:
        assert contains(normalize(text), normalize(part))

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("resealing", "seal"),
            ("15 bar", "5 bar"),
            ("10.5 bar", "0.5 bar"),
            ("0.5 bar", "5 bar"),
            ("-5 bar", "5 bar"),
            ("5.25 bar", "5"),
            ("text", ""),
        ],
    )
    def test_part_of_a_word_or_number_is_not_found(self, text: str, part: str) -> None:
        assert not contains(normalize(text), normalize(part))
