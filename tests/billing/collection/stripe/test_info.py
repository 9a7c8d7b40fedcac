"""What Stripe can collect."""

import pytest

from billing.collection.stripe.info import STRIPE
from billing.money import currency_exponent


class TestCurrencies:
    @pytest.mark.parametrize("currency", ["CNY", "USD", "EUR", "JPY", "KRW", "HUF", "TWD"])
    def test_that_stripe_counts_as_we_do(self, currency: str) -> None:
        assert STRIPE.supports_currency(currency)

    @pytest.mark.parametrize("currency", ["BHD", "JOD", "KWD", "OMR", "TND"])
    def test_of_three_decimals_it_takes_two(self, currency: str) -> None:
        assert currency_exponent(currency) == 3
        assert not STRIPE.supports_currency(currency)

    @pytest.mark.parametrize("currency", ["ISK", "UGX", "MGA"])
    def test_that_it_counts_otherwise(self, currency: str) -> None:
        assert currency_exponent(currency) in (0, 2)
        assert not STRIPE.supports_currency(currency)

    def test_of_some_it_takes_no_less_than(self) -> None:
        assert [STRIPE.minimum_charge(one) for one in ("USD", "CNY", "JPY", "KRW")] == [
            50,
            400,
            50,
            1,
        ]
