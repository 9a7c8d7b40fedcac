"""Money: the one rounding, and its texts."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import (
    NANO,
    Money,
    currency_exponent,
    nano_from_text,
    nano_text,
    round_to_minor,
)


class TestRounding:
    @pytest.mark.parametrize(
        ("nano", "currency", "minor"),
        [
            (0, "CNY", 0),
            (4_999_999, "CNY", 0),
            (5_000_000, "CNY", 1),  # half a fen goes away from zero
            (-5_000_000, "CNY", -1),
            (-4_999_999, "CNY", 0),
            (15_000_000, "USD", 2),
            (500_000_000, "JPY", 1),
            (499_999_999, "JPY", 0),
            (500_000, "KWD", 1),
        ],
    )
    def test_half_goes_away_from_zero(self, nano: int, currency: str, minor: int) -> None:
        assert round_to_minor(nano, currency) == Money(minor, currency)

    @given(st.integers(-(10**20), 10**20), st.sampled_from(["CNY", "JPY", "KWD", "CLF"]))
    def test_is_never_off_by_more_than_half_a_unit(self, nano: int, currency: str) -> None:
        unit = NANO // 10 ** currency_exponent(currency)
        assert abs(Fraction(nano, unit) - round_to_minor(nano, currency).minor) <= Fraction(1, 2)

    @given(st.integers(-(10**20), 10**20))
    def test_is_the_same_on_both_sides_of_zero(self, nano: int) -> None:
        assert round_to_minor(-nano, "CNY").minor == -round_to_minor(nano, "CNY").minor


class TestTexts:
    @pytest.mark.parametrize(
        ("money", "text"),
        [
            (Money(123456, "CNY"), "1234.56 CNY"),
            (Money(-5, "USD"), "-0.05 USD"),
            (Money(7, "JPY"), "7 JPY"),
            (Money(7, "KWD"), "0.007 KWD"),
        ],
    )
    def test_money_shows_its_currencys_decimals(self, money: Money, text: str) -> None:
        assert str(money) == text

    def test_running_cost_is_exact(self) -> None:
        assert nano_text(1234) == "0.000001234"
        assert nano_text(12_345_678_901_234_567_890_123) == "12345678901234.567890123"

    @pytest.mark.parametrize("minor", [1.0, "1", True, None])
    def test_an_amount_is_an_integer(self, minor: object) -> None:
        with pytest.raises(TypeError, match="minor units"):
            Money(minor, "CNY")  # type: ignore[arg-type]


class TestFromText:
    @pytest.mark.parametrize(
        ("text", "nano"),
        [
            ("0", 0),
            ("12.50", 12_500_000_000),
            ("0.000000001", 1),
            ("9999999999", 9999999999 * NANO),
        ],
    )
    def test_by_hand(self, text: str, nano: int) -> None:
        assert nano_from_text(text) == nano

    @pytest.mark.parametrize(
        "text",
        ["", "-1", "+1", "1e3", "1,5", ".5", "5.", " 1", "0.0000000001", "1" * 11, "١", "NaN"],
    )
    def test_what_is_no_amount(self, text: str) -> None:
        with pytest.raises(ValueError, match="plain decimal"):
            nano_from_text(text)

    @given(st.integers(0, 10**19 - 1))
    def test_is_the_reverse_of_nano_text(self, nano: int) -> None:
        assert nano_from_text(nano_text(nano)) == nano
