"""Graduated prices: each unit costs its tier's price; flat amounts are charged once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.tiers import Tier
from tests.support.billing.random_terms import tiers

# 1 to 10 at 5 each; 11 to 30 at 3, with 100 once; 31 and more at 2, with 40 once
PRICE = Graduated((Tier(10, 5), Tier(30, 3, flat=100), Tier(None, 2, flat=40)))
BASE_FEE = Graduated((Tier(None, 1, flat=9),))
HUGE = 10**15


@pytest.mark.parametrize(
    ("quantity", "nano"),
    [
        (0, 0),
        (1, 5),
        (10, 50),
        (11, 50 + 100 + 3),
        (30, 50 + 100 + 20 * 3),
        (31, 50 + 100 + 60 + 40 + 2),
        (HUGE, 50 + 100 + 60 + 40 + 2 * (HUGE - 30)),
    ],
)
def test_graduated_amount_at_each_tier_edge_matches_the_worked_example(
    quantity: int, nano: int
) -> None:
    assert PRICE.amount(quantity) == nano


@pytest.mark.parametrize(("quantity", "nano"), [(0, 0), (1, 9 + 1), (2, 9 + 2)])
def test_flat_amount_of_the_first_tier_is_charged_from_the_first_unit(
    quantity: int, nano: int
) -> None:
    assert BASE_FEE.amount(quantity) == nano


@given(tiers(), st.integers(0, 60))
def test_graduated_amount_is_the_sum_over_single_units(
    any_tiers: tuple[Tier, ...], quantity: int
) -> None:
    total, reached = 0, set[int]()
    for unit in range(1, quantity + 1):
        index = next(at for at, one in enumerate(any_tiers) if unit <= (one.up_to or HUGE))
        total += any_tiers[index].unit + (0 if index in reached else any_tiers[index].flat)
        # Tiers follow one another, so none is skipped.
        reached.add(index)
    assert Graduated(any_tiers).amount(quantity) == total


@pytest.mark.parametrize(
    ("price", "slope"),
    [(PRICE, 5), (Graduated((Tier(10, 1), Tier(None, 8))), 8)],
    ids=["first", "last"],
)
def test_graduated_slope_is_the_price_of_the_most_expensive_tier(
    price: Graduated, slope: int
) -> None:
    assert price.slope == slope


@pytest.mark.parametrize(
    ("price", "quantity", "reserve"),
    [
        (PRICE, 0, 140),
        (PRICE, 10, 140),
        (PRICE, 11, 40),
        (PRICE, 30, 40),
        (PRICE, 31, 0),
        (BASE_FEE, 0, 9),
        (BASE_FEE, 1, 0),
    ],
)
def test_graduated_reserve_is_the_sum_of_flat_amounts_of_tiers_not_reached(
    price: Graduated, quantity: int, reserve: int
) -> None:
    assert price.reserve(quantity) == reserve
