"""Price of a month: its parts always add up to the total."""

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.outcomes.contracts.pricing import (
    FLOOR,
    SILENCE,
    AttesterPart,
    PriceBounds,
    VersionQuantities,
    divide_amount,
    month_bounds,
    price_month,
)
from billing.outcomes.contracts.terms import (
    MICRO,
    AttesterKind,
    SavingsShare,
)
from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import Price
from billing.rating.price_kinds.tiers import Tier
from billing.rating.price_kinds.volume import Volume
from billing.rating.terms import Allowance
from tests.billing.outcomes.outcome_terms import EACH, YUAN, terms

KINDS = [*(kind.value for kind in AttesterKind), SILENCE]
FREE = PriceBounds("CNY", 0, None, None)


def events(price: Price, **by: int) -> VersionQuantities:
    return VersionQuantities(terms(price), {kind: count * MICRO for kind, count in by.items()})


class TestMonthPrice:
    def test_price_per_outcome_is_divided_by_attester(self) -> None:
        """3 x 300.00, two of them attested by the customer's system."""
        priced = price_month(FREE, [events(EACH, customer_system=2, sign_off=1)])
        assert (priced.micro, priced.minor) == (3 * MICRO, 900_00)
        assert priced.parts == (
            AttesterPart("customer_system", 2 * MICRO, 600_00),
            AttesterPart("sign_off", MICRO, 300_00),
        )

    def test_graduated_price_applies_each_tier(self) -> None:
        """The first two at 300.00, further ones at 200.00: five cost 600.00 + 600.00."""
        tiers = Graduated((Tier(2, 300 * YUAN), Tier(None, 200 * YUAN)))
        assert price_month(FREE, [events(tiers, sign_off=5)]).minor == 1_200_00

    def test_started_package_is_billed_in_full(self) -> None:
        """Two packages of ten at 1,000.00 for 11 outcomes."""
        assert price_month(FREE, [events(Package(10, 1_000 * YUAN), sign_off=11)]).minor == 2_000_00

    def test_share_of_a_saving_is_rounded_once(self) -> None:
        """30 % of 12.345678 kg at 41.00: 151.8518... yuan, rounded once."""
        saving = VersionQuantities(
            terms(SavingsShare(300_000, 41 * YUAN)), {"neutral_sensor": 12_345_678}
        )
        assert price_month(FREE, [saving]).minor == 151_85

    def test_quantities_of_two_versions_are_priced_apart_and_rounded_together(self) -> None:
        """One at 300.00 and, under the later version, one at 250.00."""
        both = [events(EACH, sign_off=1), events(PerUnit(250 * YUAN), sign_off=1)]
        assert price_month(FREE, both).minor == 550_00

    def test_month_without_effects_has_no_parts(self) -> None:
        assert price_month(FREE, []).parts == ()

    def test_negative_quantity_is_rejected(self) -> None:
        with pytest.raises(ValueError, match="must not be negative"):
            VersionQuantities(terms(), {"sign_off": -1})


class TestPriceBounds:
    def test_floor_is_prorated_by_days_in_force(self) -> None:
        """15 of 30 days of a floor of 100.01 are 50.005, rounded half away from zero."""
        bounds = month_bounds(terms(floor=100_01, cap=200_00), Fraction(15, 30), 7)
        assert bounds == PriceBounds("CNY", 50_01, 200_00, None)

    def test_amount_is_limited_to_the_price_of_usage(self) -> None:
        bounds = month_bounds(
            terms(lower_of_usage=True, covered=(Allowance("vib", "rows", 1_000),)),
            Fraction(1),
            120_00,
        )
        assert price_month(bounds, [events(EACH, sign_off=1)]).minor == 120_00

    def test_top_up_to_the_floor_is_a_part_without_quantity(self) -> None:
        priced = price_month(PriceBounds("CNY", 500_00, None, None), [events(EACH, sign_off=1)])
        assert priced.parts == (
            AttesterPart("sign_off", MICRO, 300_00),
            AttesterPart(FLOOR, 0, 200_00),
        )

    def test_usage_bound_overrides_floor_and_cap(self) -> None:
        assert PriceBounds("CNY", 500, 400, 300).clamp(10**6) == 300


class TestAmountDivision:
    def test_amount_is_divided_in_proportion_to_the_price(self) -> None:
        priced = price_month(FREE, [events(EACH, customer_system=2, sign_off=1)])
        assert [part.minor for part in divide_amount(priced, 1_00)] == [67, 33]

    def test_amount_without_priced_parts_is_assigned_to_the_floor(self) -> None:
        assert divide_amount(price_month(FREE, []), 7) == [AttesterPart(FLOOR, 0, 7)]
        assert divide_amount(price_month(FREE, []), 0) == []


prices: st.SearchStrategy[Price] = st.one_of(
    st.builds(PerUnit, st.integers(0, 10**15)),
    st.builds(Package, st.integers(1, 20), st.integers(0, 10**15)),
    st.builds(
        lambda first, second, flat: Graduated((Tier(3, first), Tier(None, second, flat))),
        st.integers(0, 10**14),
        st.integers(0, 10**14),
        st.integers(0, 10**14),
    ),
    st.builds(
        lambda unit, less: Volume((Tier(3, unit + less), Tier(None, unit))),
        st.integers(0, 10**14),
        st.integers(0, 10**14),
    ),
)
event_months = st.builds(
    lambda price, counts: VersionQuantities(
        terms(price), {k: n * MICRO for k, n in counts.items()}
    ),
    prices,
    st.dictionaries(st.sampled_from(KINDS), st.integers(0, 40)),
)
savings = st.builds(
    lambda ppm, value, micro: VersionQuantities(terms(SavingsShare(ppm, value)), micro),
    st.integers(1, 10**6),
    st.integers(1, 10**14),
    st.dictionaries(st.sampled_from(KINDS), st.integers(0, 10**10)),
)
months = st.lists(st.one_of(event_months, savings), max_size=3)
amounts = st.one_of(st.none(), st.integers(0, 10**9))
bounded = st.builds(
    lambda floor, above, usage: PriceBounds(
        "CNY", floor, None if above is None else floor + above, usage
    ),
    st.integers(0, 10**7),
    amounts,
    amounts,
)


@given(bounded, months)
def test_month_price_parts_sum_to_the_total_within_bounds(
    bounds: PriceBounds, counted: list[VersionQuantities]
) -> None:
    priced = price_month(bounds, counted)
    assert sum(part.minor for part in priced.parts) == priced.minor
    assert sum(part.micro for part in priced.parts) == priced.micro
    assert min([0, *(part.minor for part in priced.parts)]) == 0
    assert bounds.cap is None or priced.minor <= bounds.cap
    assert bounds.usage is None or priced.minor <= bounds.usage
    if bounds.usage is None:
        assert priced.minor >= bounds.floor


@given(bounded, months, st.integers(0, 2**32))
def test_month_price_does_not_depend_on_order(
    bounds: PriceBounds, counted: list[VersionQuantities], seed: int
) -> None:
    turned = [VersionQuantities(one.terms, dict(reversed(one.micro.items()))) for one in counted]
    Random(seed).shuffle(turned)
    assert price_month(bounds, turned) == price_month(bounds, counted)


@given(bounded, months, st.integers(0, 10**9))
def test_divided_amount_sums_to_the_amount(
    bounds: PriceBounds, counted: list[VersionQuantities], minor: int
) -> None:
    assert sum(part.minor for part in divide_amount(price_month(bounds, counted), minor)) == minor
