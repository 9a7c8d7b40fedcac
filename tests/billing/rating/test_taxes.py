"""Tax: added to or contained in an amount, by treatment, rounded once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.taxes import Tax, TaxedAmount, TaxTreatment, apply_tax

VAT = Tax(ppm=190_000)
REVERSE = Tax(TaxTreatment.REVERSE_CHARGE, 190_000)
EXEMPT = Tax(TaxTreatment.EXEMPT, 190_000)
TAXES = st.builds(Tax, st.sampled_from(TaxTreatment), st.integers(0, 1_000_000))
AMOUNTS = st.integers(-(10**15), 10**15)


class TestGolden:
    @pytest.mark.parametrize(
        ("amount", "tax", "net", "added"),
        [
            (10_000, VAT, 10_000, 1_900),
            (99, VAT, 99, 19),  # 18.81
            (50, Tax(ppm=130_000), 50, 7),  # 6.5: half goes up
            (-50, Tax(ppm=130_000), -50, -7),  # and away from zero below it
            (0, VAT, 0, 0),
            (10_000, Tax(), 10_000, 0),
            (10_000, REVERSE, 10_000, 0),
            (10_000, EXEMPT, 10_000, 0),
        ],
    )
    def test_on_top_of_net_prices(self, amount: int, tax: Tax, net: int, added: int) -> None:
        assert apply_tax(amount, False, tax) == TaxedAmount(net, added, net + added)

    @pytest.mark.parametrize(
        ("amount", "tax", "net", "contained", "total"),
        [
            (11_900, VAT, 10_000, 1_900, 11_900),
            (100, VAT, 84, 16, 100),  # 100 * 19 / 119 = 15.97
            (113, Tax(ppm=130_000), 100, 13, 113),
            (-11_900, VAT, -10_000, -1_900, -11_900),
            (0, VAT, 0, 0, 0),
            (11_900, Tax(), 11_900, 0, 11_900),
            (11_900, REVERSE, 10_000, 0, 10_000),  # what is contained is not paid
            (11_900, EXEMPT, 10_000, 0, 10_000),
        ],
    )
    def test_contained_in_gross_prices(
        self, amount: int, tax: Tax, net: int, contained: int, total: int
    ) -> None:
        assert apply_tax(amount, True, tax) == TaxedAmount(net, contained, total)


class TestProperties:
    @given(AMOUNTS, TAXES)
    def test_net_prices_are_the_net(self, amount: int, tax: Tax) -> None:
        """And tax is within half a minor unit of the rate."""
        made = apply_tax(amount, False, tax)
        assert made.net == amount
        assert abs(made.tax * 10**6 - amount * tax.applied_ppm) * 2 <= 10**6

    @given(AMOUNTS, TAXES)
    def test_gross_prices_are_the_total_of_who_pays_tax(self, amount: int, tax: Tax) -> None:
        """Whoever pays none pays the same net."""
        standard = apply_tax(amount, True, Tax(ppm=tax.ppm))
        made = apply_tax(amount, True, tax)
        assert standard.total == amount
        assert made.net == standard.net
        assert made.tax == (standard.tax if tax.applied_ppm else 0)

    @given(AMOUNTS, TAXES, st.booleans())
    def test_a_credit_mirrors_the_invoice(self, amount: int, tax: Tax, inclusive: bool) -> None:
        made, back = apply_tax(amount, inclusive, tax), apply_tax(-amount, inclusive, tax)
        assert (back.net, back.tax, back.total) == (-made.net, -made.tax, -made.total)


class TestTaxed:
    def test_adds_up_or_is_not_made(self) -> None:
        with pytest.raises(ValueError, match="are not the total"):
            TaxedAmount(100, 19, 120)
