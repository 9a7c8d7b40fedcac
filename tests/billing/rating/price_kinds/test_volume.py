"""Volume prices: all units cost the price of the reached tier, which never rises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.price_kinds.price import PriceInvalid
from billing.rating.price_kinds.tiers import Tier
from billing.rating.price_kinds.volume import Volume
from tests.support.billing.random_terms import tiers

PRICE = Volume((Tier(10, 5), Tier(30, 3), Tier(None, 2)))
HUGE = 10**15


@pytest.mark.parametrize(
    ("quantity", "nano"),
    [
        (0, 0),
        (1, 5),
        (10, 50),
        (11, 11 * 3),  # all units at the lower price: less than ten cost
        (30, 90),
        (31, 62),
        (HUGE, 2 * HUGE),
    ],
)
def test_volume_amount_at_each_tier_edge_matches_the_worked_example(
    quantity: int, nano: int
) -> None:
    assert PRICE.amount(quantity) == nano


@given(tiers(falling=True), st.integers(0, 60))
def test_volume_amount_charges_all_units_at_the_reached_tier(
    falling_tiers: tuple[Tier, ...], quantity: int
) -> None:
    reached = [one.unit for one in falling_tiers if (one.up_to or HUGE) >= quantity]
    assert Volume(falling_tiers).amount(quantity) == quantity * reached[0]


@pytest.mark.parametrize(
    ("price", "slope"), [(PRICE, 5), (Volume((Tier(1, 3), Tier(2, 3), Tier(None, 3))), 3)]
)
def test_volume_slope_is_the_price_of_the_first_tier(price: Volume, slope: int) -> None:
    assert price.slope == slope


@pytest.mark.parametrize("quantity", [0, 5, 31])
def test_volume_reserve_is_zero_at_any_quantity(quantity: int) -> None:
    assert PRICE.reserve(quantity) == 0


@pytest.mark.parametrize(
    "wrong",
    [(Tier(10, 1), Tier(None, 2)), (Tier(10, 2), Tier(None, 1, flat=1))],
    ids=["rising", "flat amount"],
)
def test_volume_tiers_that_rise_or_have_flat_amounts_are_rejected(wrong: tuple[Tier, ...]) -> None:
    with pytest.raises(PriceInvalid, match="Volume tiers"):
        Volume(wrong)
