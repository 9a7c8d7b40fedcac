"""Per-unit prices: each unit costs the same, and the reserve is zero."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import PriceInvalid
from billing.rating.price_kinds.price_fields import PriceFields

PRICE = PerUnit(7)
HUGE = 10**15


@pytest.mark.parametrize(("quantity", "nano"), [(0, 0), (1, 7), (HUGE, 7 * HUGE)])
def test_per_unit_amount_is_quantity_times_unit_price(quantity: int, nano: int) -> None:
    assert PRICE.amount(quantity) == nano


def test_per_unit_amount_at_a_free_price_is_zero() -> None:
    assert PerUnit(0).amount(HUGE) == 0


@given(st.integers(0, HUGE), st.integers(0, HUGE))
def test_per_unit_amount_equals_quantity_times_slope_without_reserve(
    unit: int, quantity: int
) -> None:
    price = PerUnit(unit)
    assert price.reserve(quantity) == 0
    assert price.amount(quantity) == quantity * price.slope


def test_per_unit_scale_replaces_the_unit_price() -> None:
    assert PRICE.scale(lambda nano: nano * 3) == PerUnit(21)


def test_per_unit_json_has_kind_and_unit_price() -> None:
    assert list(PRICE.to_json().items()) == [("kind", "per_unit"), ("unit", 7)]
    assert PRICE.to_json(str) == {"kind": "per_unit", "unit": "7"}


def test_per_unit_from_fields_divides_the_price_by_per() -> None:
    fields = PriceFields(price="2.5", per=1_000_000)
    # 2.5 * 10^9 nano-units for 10^6 units
    assert PerUnit.from_fields(fields) == PerUnit(2_500)


@pytest.mark.parametrize("unit", [-1, 10**15 + 1, 1.5, True])
def test_per_unit_price_out_of_range_is_rejected(unit: Any) -> None:
    with pytest.raises(PriceInvalid, match="whole number") as caught:
        PerUnit(unit)
    assert (caught.value.status, caught.value.code) == (400, "price_invalid")


def test_per_unit_price_at_the_limit_is_accepted() -> None:
    assert PerUnit(10**15).slope == 10**15
