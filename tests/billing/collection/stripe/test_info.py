"""Currencies and minimum charges of Stripe."""

import pytest

from billing.collection.stripe.info import STRIPE
from billing.money import currency_exponent


class TestStripeCurrencies:
    @pytest.mark.parametrize("currency", ["CNY", "USD", "EUR", "JPY", "KRW", "HUF", "TWD"])
    def test_currency_with_iso_minor_units_is_supported(self, currency: str) -> None:
        assert STRIPE.supports_currency(currency)

    @pytest.mark.parametrize("currency", ["BHD", "JOD", "KWD", "OMR", "TND"])
    def test_three_decimal_currency_is_not_supported(self, currency: str) -> None:
        assert currency_exponent(currency) == 3
        assert not STRIPE.supports_currency(currency)

    @pytest.mark.parametrize("currency", ["ISK", "UGX", "MGA"])
    def test_currency_with_other_minor_units_is_not_supported(self, currency: str) -> None:
        assert currency_exponent(currency) in (0, 2)
        assert not STRIPE.supports_currency(currency)

    def test_minimum_charge_depends_on_currency(self) -> None:
        assert [STRIPE.minimum_charge(one) for one in ("USD", "CNY", "JPY", "KRW")] == [
            50,
            400,
            50,
            1,
        ]
