"""Rating of quantities: worked examples and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.quantities import (
    METERS,
    NO_USAGE,
    Quantities,
    call_cost,
    rate,
    units_by_meter,
)
from tests.support.billing.random_terms import quantities

PRICES = {
    "input_tokens": 500,
    "cached_input_tokens": 100,
    "output_tokens": 2000,
    "rows": 1_000_000,
    "images": 25_000_000,
    "adaptation_seconds": 10_000_000,  # 0.60 a minute
}
COUNTS = st.integers(0, 10**9)
SOME_PRICES = st.dictionaries(st.sampled_from(METERS), st.integers(0, 10**8))


class TestRatingExamples:
    @pytest.mark.parametrize(
        ("quantities", "nano"),
        [
            (NO_USAGE, 0),
            (Quantities(input_tokens=1000), 500_000),
            # 600 fresh at 500 and 400 cached at 100
            (Quantities(input_tokens=1000, cached_input_tokens=400), 340_000),
            (Quantities(input_tokens=3, output_tokens=5), 11_500),
            (Quantities(rows=2), 2_000_000),
            (Quantities(images=3), 75_000_000),
            # A minute and a half
            (Quantities(adaptation_seconds=90), 900_000_000),
            (Quantities(images=1, adaptation_seconds=1), 35_000_000),
            (Quantities(5, 5, 1, 1, 1, 1), 500 + 2000 + 1_000_000 + 35_000_000),
            (Quantities(input_tokens=0, output_tokens=0), 0),
        ],
    )
    def test_worked_examples_of_call_cost(self, quantities: Quantities, nano: int) -> None:
        assert rate(quantities, PRICES) == nano

    def test_cached_tokens_without_own_price_cost_the_input_price(self) -> None:
        quantities = Quantities(input_tokens=10, cached_input_tokens=4)
        assert rate(quantities, {"input_tokens": 7}) == 70

    def test_meter_without_price_is_free(self) -> None:
        assert rate(Quantities(rows=5), {"input_tokens": 7}) == 0


class TestRatingProperties:
    @given(quantities(), quantities(), SOME_PRICES)
    def test_cost_of_a_sum_equals_the_sum_of_costs(
        self, first: Quantities, second: Quantities, prices: dict[str, int]
    ) -> None:
        whole = rate(first + second, prices)
        assert rate(first, prices) + rate(second, prices) == whole

    @given(quantities(), SOME_PRICES)
    def test_cost_is_units_by_meter_times_prices(
        self, of: Quantities, prices: dict[str, int]
    ) -> None:
        units = units_by_meter(of, prices)
        assert list(units) == list(METERS)
        assert rate(of, prices) == sum(units[meter] * prices[meter] for meter in prices)

    @given(COUNTS, COUNTS)
    def test_cost_is_never_negative(self, total: int, part: int) -> None:
        cached = min(total, part)
        assert rate(Quantities(total, cached), PRICES) >= 0


class TestQuantities:
    def test_token_count_sums_input_and_output_without_cached_again(self) -> None:
        """Cached tokens are already part of the input tokens."""
        assert Quantities(input_tokens=5, cached_input_tokens=4, output_tokens=2).tokens == 7
        assert Quantities(input_tokens=5, rows=9).tokens == 5
        assert NO_USAGE.tokens == 0

    def test_quantities_are_added_per_meter(self) -> None:
        """An unmeasured quantity adds zero."""
        one = Quantities(input_tokens=5, cached_input_tokens=4, output_tokens=2)
        other = Quantities(input_tokens=1, cached_input_tokens=1, rows=3)
        both = Quantities(6, 5, 2, 3, 0, 0, 0)
        assert one + other == other + one == both
        assert NO_USAGE + NO_USAGE == Quantities(0, 0, 0, 0, 0, 0, 0)
        seen = Quantities(images=7, adaptation_seconds=600)
        assert both + seen + seen == Quantities(6, 5, 2, 3, 14, 1200, 0)

    @pytest.mark.parametrize("meter", METERS)
    def test_get_returns_units_of_a_meter_or_zero(self, meter: str) -> None:
        both = {"input_tokens": 3, meter: 3}
        assert (Quantities(**both).get(meter), NO_USAGE.get(meter)) == (3, 0)

    @pytest.mark.parametrize(
        "values",
        [
            *({meter: -1} for meter in METERS),
            {"input_tokens": 1, "cached_input_tokens": 2},
            {"cached_input_tokens": 1},
            {"output_tokens": 1, "reasoning_tokens": 2},
            {"reasoning_tokens": 1},
            {"output_tokens": 1, "reasoning_tokens": -1},
        ],
    )
    def test_negative_or_inconsistent_quantities_are_rejected(self, values: dict[str, int]) -> None:
        with pytest.raises(ValueError, match=r"cannot be negative|a part of"):
            Quantities(**values)

    def test_reasoning_tokens_are_no_meter_and_change_no_cost(self) -> None:
        plain, thinking = Quantities(5, 4, 9), Quantities(5, 4, 9, reasoning_tokens=7)
        assert "reasoning_tokens" not in METERS
        assert rate(thinking, PRICES) == rate(plain, PRICES)
        assert units_by_meter(thinking, PRICES) == units_by_meter(plain, PRICES)
        assert thinking.tokens == plain.tokens == 14

    def test_reasoning_tokens_are_added_unless_both_are_unknown(self) -> None:
        thinking = Quantities(output_tokens=9, reasoning_tokens=7)
        assert (thinking + thinking).reasoning_tokens == 14
        assert (thinking + Quantities(output_tokens=1)).reasoning_tokens == 7
        assert (NO_USAGE + NO_USAGE).reasoning_tokens is None

    @pytest.mark.parametrize(("kept", "reasoning"), [(9, 7), (7, 7), (3, 3), (0, 0)])
    def test_fewer_output_tokens_keep_the_reasoning_first(self, kept: int, reasoning: int) -> None:
        thinking = Quantities(output_tokens=9, reasoning_tokens=7).with_output_tokens(kept)
        assert (thinking.output_tokens, thinking.reasoning_tokens) == (kept, reasoning)
        assert Quantities(output_tokens=9).with_output_tokens(kept).reasoning_tokens is None


class TestCoveredUnits:
    def test_covered_units_are_free_at_the_price_of_their_meter(self) -> None:
        used = Quantities(input_tokens=1000, output_tokens=10)
        assert call_cost(used, PRICES, {"input_tokens": 600, "output_tokens": 10}) == 200_000

    def test_call_without_covered_units_costs_its_rated_quantities(self) -> None:
        used = Quantities(input_tokens=1000, output_tokens=10)
        assert call_cost(used, PRICES) == call_cost(used, PRICES, {}) == rate(used, PRICES)
