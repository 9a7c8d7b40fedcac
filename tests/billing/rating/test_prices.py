"""Price kinds: hand-worked figures at every edge, the envelope, and what is no price."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.prices import (
    Graduated,
    Package,
    PerUnit,
    Price,
    PriceInvalid,
    Tier,
    Volume,
    amount_of,
    max_unit_price,
    reserve_of,
)
from tests.support.billing.random_terms import PRICES, RISING

HUGE = 10**15
PER_UNIT = PerUnit(7)
PACKAGE = Package(size=10, amount=25)
# 1 to 10 at 5 each; 11 to 30 at 3, with 100 once; 31 and more at 2, with 40 once
GRADUATED = Graduated((Tier(10, 5), Tier(30, 3, flat=100), Tier(None, 2, flat=40)))
BASE_FEE = Graduated((Tier(None, 1, flat=9),))
VOLUME = Volume((Tier(10, 5), Tier(30, 3), Tier(None, 2)))
ANY_QUANTITY = st.integers(0, 60) | st.integers(0, HUGE)


class TestAmount:
    @pytest.mark.parametrize(
        ("price", "quantity", "nano"),
        [
            (PER_UNIT, 0, 0),
            (PER_UNIT, 1, 7),
            (PER_UNIT, HUGE, 7 * HUGE),
            (PerUnit(0), HUGE, 0),
            (PACKAGE, 0, 0),
            (PACKAGE, 1, 25),  # a begun package is paid whole
            (PACKAGE, 10, 25),
            (PACKAGE, 11, 50),
            (PACKAGE, HUGE, 25 * 10**14),
            (PACKAGE, HUGE + 1, 25 * (10**14 + 1)),
            (GRADUATED, 0, 0),
            (GRADUATED, 1, 5),
            (GRADUATED, 10, 50),
            (GRADUATED, 11, 50 + 100 + 3),
            (GRADUATED, 30, 50 + 100 + 20 * 3),
            (GRADUATED, 31, 50 + 100 + 60 + 40 + 2),
            (GRADUATED, HUGE, 50 + 100 + 60 + 40 + 2 * (HUGE - 30)),
            (BASE_FEE, 0, 0),
            (BASE_FEE, 1, 9 + 1),
            (BASE_FEE, 2, 9 + 2),
            (VOLUME, 0, 0),
            (VOLUME, 1, 5),
            (VOLUME, 10, 50),
            (VOLUME, 11, 11 * 3),  # all units at the lower price: less than ten cost
            (VOLUME, 30, 90),
            (VOLUME, 31, 62),
            (VOLUME, HUGE, 2 * HUGE),
        ],
    )
    def test_worked_by_hand(self, price: Price, quantity: int, nano: int) -> None:
        assert amount_of(price, quantity) == nano

    @given(RISING, st.integers(0, 60), st.integers(0, 60))
    def test_more_never_costs_less(self, price: Price, quantity: int, more: int) -> None:
        """Of volume prices it may, where a tier begins: see the 11 units above."""
        assert 0 <= amount_of(price, quantity) <= amount_of(price, quantity + more)


class TestHeld:
    @pytest.mark.parametrize(
        ("price", "slope"),
        [
            (PER_UNIT, 7),
            (PACKAGE, 3),  # 25 for 10: 2.5, up to whole nano-units
            (Package(5, 25), 5),
            (GRADUATED, 5),
            (Graduated((Tier(10, 1), Tier(None, 8))), 8),  # also where later units are dearer
            (VOLUME, 5),
        ],
    )
    def test_a_unit_is_held_for_the_dearest(self, price: Price, slope: int) -> None:
        assert max_unit_price(price) == slope

    @pytest.mark.parametrize(
        ("price", "quantity", "reserve"),
        [
            (PER_UNIT, 0, 0),
            (VOLUME, 5, 0),
            (PACKAGE, 0, 25),  # the next unit may begin a package
            (PACKAGE, 10, 25),
            (GRADUATED, 0, 140),  # both flat amounts are ahead
            (GRADUATED, 10, 140),
            (GRADUATED, 11, 40),
            (GRADUATED, 30, 40),
            (GRADUATED, 31, 0),
            (BASE_FEE, 0, 9),
            (BASE_FEE, 1, 0),
        ],
    )
    def test_what_may_fall_due_with_the_next_unit_is_held_beside(
        self, price: Price, quantity: int, reserve: int
    ) -> None:
        assert reserve_of(price, quantity) == reserve

    @given(PRICES, ANY_QUANTITY, ANY_QUANTITY)
    def test_envelope(self, price: Price, quantity: int, more: int) -> None:
        """The contract of billing/rating/prices.py, which every cap rests on."""
        held = (
            amount_of(price, quantity) + reserve_of(price, quantity) + more * max_unit_price(price)
        )
        assert amount_of(price, quantity + more) <= held


MADE_WRONG = [
    (PerUnit, (-1,)),
    (PerUnit, (10**15 + 1,)),
    (PerUnit, (1.5,)),
    (PerUnit, (True,)),
    (Package, (10, -1)),
    (Package, (0, 1)),
    (Package, (-5, 1)),
    (Package, (10**12 + 1, 1)),
    (Tier, (None, -1)),
    (Tier, (None, 10**15 + 1)),
    (Tier, (None, 1, -1)),
    (Tier, (None, 1, 10**18 + 1)),
]
WRONG_TIERS = {
    "none": (),
    "too many": (*(Tier(end, 1) for end in range(1, 51)), Tier(None, 1)),
    "the last ends": (Tier(10, 1),),
    "one before the last has no end": (Tier(None, 1), Tier(None, 1)),
    "an empty one": (Tier(10, 1), Tier(10, 1), Tier(None, 1)),
    "backwards": (Tier(10, 1), Tier(9, 1), Tier(None, 1)),
    "the first is empty": (Tier(0, 1), Tier(None, 1)),
}


class TestInvalid:
    @pytest.mark.parametrize(("kind", "values"), MADE_WRONG)
    def test_amounts_and_sizes(self, kind: Any, values: tuple[Any, ...]) -> None:
        with pytest.raises(PriceInvalid, match=r"whole number|1 to 10") as caught:
            kind(*values)
        assert (caught.value.status, caught.value.code) == (400, "price_invalid")

    @pytest.mark.parametrize("kind", [Graduated, Volume])
    @pytest.mark.parametrize("tiers", WRONG_TIERS.values(), ids=WRONG_TIERS)
    def test_tiers(self, kind: Any, tiers: tuple[Tier, ...]) -> None:
        with pytest.raises(PriceInvalid, match=r"Tiers are|Each tier"):
            kind(tiers)

    @pytest.mark.parametrize(
        "tiers", [(Tier(10, 1), Tier(None, 2)), (Tier(10, 2), Tier(None, 1, flat=1))]
    )
    def test_volume_that_rises(self, tiers: tuple[Tier, ...]) -> None:
        with pytest.raises(PriceInvalid, match="Volume tiers"):
            Volume(tiers)

    def test_what_is_at_the_limit_is_a_price(self) -> None:
        most = (*(Tier(end, 10**15, flat=10**18) for end in range(1, 50)), Tier(None, 0))
        assert len(Graduated(most).tiers) == 50
        assert max_unit_price(PerUnit(10**15)) == max_unit_price(Package(1, 10**15)) == 10**15
        assert max_unit_price(Package(10**12, 1)) == 1
        assert max_unit_price(Volume((Tier(1, 3), Tier(2, 3), Tier(None, 3)))) == 3
