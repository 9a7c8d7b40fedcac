"""Tax: added to net prices or extracted from gross prices, by treatment, rounded once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.taxes import Tax, TaxedAmount, TaxTreatment, apply_tax

VAT = Tax(ppm=190_000)
REVERSE = Tax(TaxTreatment.REVERSE_CHARGE, 190_000)
EXEMPT = Tax(TaxTreatment.EXEMPT, 190_000)
TAXES = st.builds(Tax, st.sampled_from(TaxTreatment), st.integers(0, 1_000_000))
AMOUNTS = st.integers(-(10**15), 10**15)


class TestTaxExamples:
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
    def test_tax_is_added_to_net_prices(self, amount: int, tax: Tax, net: int, added: int) -> None:
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
    def test_tax_is_extracted_from_gross_prices(
        self, amount: int, tax: Tax, net: int, contained: int, total: int
    ) -> None:
        assert apply_tax(amount, True, tax) == TaxedAmount(net, contained, total)


class TestTaxProperties:
    @given(AMOUNTS, TAXES)
    def test_net_price_is_the_net_amount(self, amount: int, tax: Tax) -> None:
        """The tax differs by at most half a minor unit from the exact rate."""
        made = apply_tax(amount, False, tax)
        assert made.net == amount
        assert abs(made.tax * 10**6 - amount * tax.applied_ppm) * 2 <= 10**6

    @given(AMOUNTS, TAXES)
    def test_gross_price_is_the_total_under_standard_treatment(self, amount: int, tax: Tax) -> None:
        """Under other treatments the net amount is the same and no tax is added."""
        standard = apply_tax(amount, True, Tax(ppm=tax.ppm))
        made = apply_tax(amount, True, tax)
        assert standard.total == amount
        assert made.net == standard.net
        assert made.tax == (standard.tax if tax.applied_ppm else 0)

    @given(AMOUNTS, TAXES, st.booleans())
    def test_negative_amount_mirrors_the_positive_amount(
        self, amount: int, tax: Tax, inclusive: bool
    ) -> None:
        made, back = apply_tax(amount, inclusive, tax), apply_tax(-amount, inclusive, tax)
        assert (back.net, back.tax, back.total) == (-made.net, -made.tax, -made.total)


class TestTaxedAmount:
    def test_inconsistent_total_is_rejected(self) -> None:
        with pytest.raises(ValueError, match="are not the total"):
            TaxedAmount(100, 19, 120)
