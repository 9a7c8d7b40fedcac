"""Money: rounding, allocation without loss, currencies, formatting and parsing."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import (
    NANO,
    Money,
    allocate,
    currency_exponent,
    minor_from_text,
    minor_text,
    nano_from_text,
    nano_per_minor,
    nano_text,
    ppm_from_percent,
    require_currency,
    round_to_minor,
    rounded,
)

CURRENCIES = st.sampled_from(["CNY", "JPY", "KWD", "CLF"])


class TestMinorUnitRounding:
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
    def test_half_a_minor_unit_is_rounded_away_from_zero(
        self, nano: int, currency: str, minor: int
    ) -> None:
        assert round_to_minor(nano, currency) == Money(minor, currency)

    @given(st.integers(-(10**20), 10**20), CURRENCIES)
    def test_rounding_error_is_at_most_half_a_minor_unit(self, nano: int, currency: str) -> None:
        unit = NANO // 10 ** currency_exponent(currency)
        assert abs(Fraction(nano, unit) - round_to_minor(nano, currency).minor) <= Fraction(1, 2)

    @given(st.integers(-(10**20), 10**20))
    def test_rounding_is_symmetric_around_zero(self, nano: int) -> None:
        assert round_to_minor(-nano, "CNY").minor == -round_to_minor(nano, "CNY").minor

    @pytest.mark.parametrize(
        ("amount", "nearest"),
        [
            (Fraction(0), 0),
            (Fraction(7), 7),
            (Fraction(1, 3), 0),
            (Fraction(2, 3), 1),
            (Fraction(1, 2), 1),
            (Fraction(-1, 2), -1),
            (Fraction(5, 2), 3),  # not to the even one
            (Fraction(-5, 2), -3),
            (Fraction(-1, 3), 0),
            # A float would lose the one that decides.
            (Fraction(10**30 - 1, 2 * 10**30), 0),
            (Fraction(10**30, 2 * 10**30), 1),
        ],
    )
    def test_fraction_is_rounded_to_the_nearest_integer(
        self, amount: Fraction, nearest: int
    ) -> None:
        assert rounded(amount) == nearest

    @given(st.fractions(), st.fractions())
    def test_rounding_keeps_the_order_of_amounts(self, one: Fraction, other: Fraction) -> None:
        assert rounded(min(one, other)) <= rounded(max(one, other))


class TestCurrencies:
    @pytest.mark.parametrize(
        ("currency", "nano"),
        [("CNY", 10_000_000), ("JPY", NANO), ("KWD", 1_000_000), ("CLF", 100_000)],
    )
    def test_worked_examples_of_nano_units_per_minor_unit(self, currency: str, nano: int) -> None:
        assert nano_per_minor(currency) == nano

    def test_iso_4217_code_is_accepted(self) -> None:
        assert require_currency("CNY") == "CNY"

    @pytest.mark.parametrize("text", ["", "cny", "CN", "CNYX", "CN1", "CNY\n", " CNY", "ÄÖÜ", "元"])
    def test_malformed_currency_code_is_rejected(self, text: str) -> None:
        with pytest.raises(ValueError, match="ISO 4217"):
            require_currency(text)


class TestAllocation:
    def test_allocation_without_weights_is_rejected(self) -> None:
        with pytest.raises(ValueError, match="one part at least"):
            allocate(5, [])

    @pytest.mark.parametrize(
        ("minor", "weights", "parts"),
        [
            (100, [1, 1, 1], [34, 33, 33]),  # of equal remainders the first gets the cent
            (-100, [1, 1, 1], [-34, -33, -33]),
            # 10 * 1/6, 3/6, 2/6 are 1.67, 5, 3.33
            (10, [1, 3, 2], [2, 5, 3]),
            # 2 * 3/5, 1/5, 1/5 are 1.2, 0.4, 0.4
            (2, [3, 1, 1], [1, 1, 0]),
            (5, [0, 1], [0, 5]),
            (5, [0, 0], [5, 0]),
            (0, [1, 2], [0, 0]),
            (7, [9], [7]),
            # What was given back is more than was charged beside it: 30 * 100/60 and -40/60.
            (30, [100, -40], [50, -20]),
        ],
    )
    def test_worked_examples_of_allocation(
        self, minor: int, weights: list[int], parts: list[int]
    ) -> None:
        assert allocate(minor, weights) == parts

    @given(st.integers(-(10**15), 10**15), st.lists(st.integers(-(10**9), 10**9), min_size=1))
    def test_parts_sum_to_the_allocated_amount(self, minor: int, weights: list[int]) -> None:
        parts = allocate(minor, weights)
        assert sum(parts) == minor
        assert len(parts) == len(weights)

    @given(st.integers(0, 10**15), st.lists(st.integers(0, 10**9), min_size=1).filter(any))
    def test_each_part_differs_from_its_exact_share_by_less_than_one(
        self, minor: int, weights: list[int]
    ) -> None:
        """A part with weight zero is zero."""
        for part, weight in zip(allocate(minor, weights), weights, strict=True):
            assert abs(part - Fraction(minor * weight, sum(weights))) < 1
            assert part == 0 or weight > 0


class TestMoneyText:
    @pytest.mark.parametrize(
        ("money", "text"),
        [
            (Money(123456, "CNY"), "1234.56 CNY"),
            (Money(-5, "USD"), "-0.05 USD"),
            (Money(7, "JPY"), "7 JPY"),
            (Money(7, "KWD"), "0.007 KWD"),
        ],
    )
    def test_amount_has_the_decimals_of_its_currency(self, money: Money, text: str) -> None:
        assert str(money) == text

    def test_nano_unit_text_has_nine_decimals(self) -> None:
        assert nano_text(1234) == "0.000001234"
        assert nano_text(12_345_678_901_234_567_890_123) == "12345678901234.567890123"

    @pytest.mark.parametrize("minor", [1.0, "1", True, None])
    def test_amount_that_is_not_an_integer_is_rejected(self, minor: object) -> None:
        with pytest.raises(TypeError, match="minor units"):
            Money(minor, "CNY")  # type: ignore[arg-type]


class TestNanoUnitParsing:
    @pytest.mark.parametrize(
        ("text", "nano"),
        [
            ("0", 0),
            ("12.50", 12_500_000_000),
            ("0.000000001", 1),
            ("9999999999", 9999999999 * NANO),
        ],
    )
    def test_worked_examples_of_nano_unit_parsing(self, text: str, nano: int) -> None:
        assert nano_from_text(text) == nano

    @pytest.mark.parametrize(
        "text",
        ["", "-1", "+1", "1e3", "1,5", ".5", "5.", " 1", "0.0000000001", "1" * 11, "١", "NaN"],
    )
    def test_malformed_amount_is_rejected(self, text: str) -> None:
        with pytest.raises(ValueError, match="must be a decimal number"):
            nano_from_text(text)

    @given(st.integers(0, 10**19 - 1))
    def test_parsed_nano_text_equals_the_amount(self, nano: int) -> None:
        assert nano_from_text(nano_text(nano)) == nano

    @pytest.mark.parametrize(
        ("percent", "ppm"), [("0", 0), ("0.0001", 1), ("12.5", 125_000), ("100", 1_000_000)]
    )
    def test_percentage_with_four_places_is_exact_in_ppm(self, percent: str, ppm: int) -> None:
        assert ppm_from_percent(percent) == ppm

    def test_percentage_with_five_places_is_rejected(self) -> None:
        with pytest.raises(ValueError, match="4 decimal places"):
            ppm_from_percent("0.00001")


class TestMinorUnitText:
    @pytest.mark.parametrize(
        ("minor", "currency", "text"),
        [
            (0, "CNY", "0.00"),
            (1234, "CNY", "12.34"),
            (-5, "CNY", "-0.05"),
            (1234, "JPY", "1234"),
            (-7, "JPY", "-7"),
            (1234, "KWD", "1.234"),
            (1234, "CLF", "0.1234"),
            (2**63 - 1, "CNY", "92233720368547758.07"),
        ],
    )
    def test_text_has_the_decimals_of_the_currency(
        self, minor: int, currency: str, text: str
    ) -> None:
        assert minor_text(minor, currency) == text

    @pytest.mark.parametrize(
        ("text", "currency", "minor"),
        [
            ("12.34", "CNY", 1234),
            ("12", "CNY", 1200),
            ("12.5", "CNY", 1250),
            ("12.500", "CNY", 1250),
            ("7.000", "JPY", 7),
            ("0.001", "KWD", 1),
            ("0.0001", "CLF", 1),
        ],
    )
    def test_worked_examples_of_minor_unit_parsing(
        self, text: str, currency: str, minor: int
    ) -> None:
        assert minor_from_text(text, currency) == minor

    @pytest.mark.parametrize(
        ("text", "currency"), [("0.001", "CNY"), ("0.5", "JPY"), ("0.0005", "KWD")]
    )
    def test_amount_finer_than_a_minor_unit_is_rejected(self, text: str, currency: str) -> None:
        with pytest.raises(ValueError, match=f"{currency} amounts have . decimal places"):
            minor_from_text(text, currency)

    @pytest.mark.parametrize("text", ["", "-1", "1e3", "12.34 CNY"])
    def test_malformed_amount_is_rejected(self, text: str) -> None:
        with pytest.raises(ValueError, match="must be a decimal number"):
            minor_from_text(text, "CNY")

    @given(st.integers(0, 10**10 - 1), CURRENCIES)
    def test_parsed_minor_text_equals_the_amount(self, minor: int, currency: str) -> None:
        assert minor_from_text(minor_text(minor, currency), currency) == minor
