"""Registry of price kinds: rules that hold for every kind, and unknown kinds."""

import msgspec
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import Price, PriceInvalid
from billing.rating.price_kinds.price_fields import PriceFields
from billing.rating.price_kinds.registry import PRICE_KINDS, price_from_fields, price_from_json
from tests.support.billing.random_terms import PRICES, RISING

ANY_QUANTITY = st.integers(0, 60) | st.integers(0, 10**15)


def test_price_kinds_keep_their_stored_names() -> None:
    assert list(PRICE_KINDS) == ["per_unit", "package", "graduated", "volume"]


@pytest.mark.parametrize("kind", PRICE_KINDS.values(), ids=PRICE_KINDS)
def test_required_and_optional_fields_of_each_kind_exist_in_price_files(kind: type[Price]) -> None:
    names = set(PriceFields.__struct_fields__) - {"kind"}
    assert kind.required_fields
    assert kind.required_fields | kind.optional_fields <= names
    assert not kind.required_fields & kind.optional_fields


@pytest.mark.parametrize("kind", PRICE_KINDS.values(), ids=PRICE_KINDS)
def test_random_prices_include_every_price_kind(kind: type[Price]) -> None:
    """Otherwise the bound below would not be tested for every kind."""
    assert type(find(PRICES, lambda price: type(price) is kind)) is kind


@given(PRICES, ANY_QUANTITY, ANY_QUANTITY)
def test_slope_and_reserve_bound_the_amount_of_any_price(
    price: Price, quantity: int, more: int
) -> None:
    """The bound of billing/rating/price_kinds/price.py, on which every spend cap relies."""
    bound = price.amount(quantity) + price.reserve(quantity) + more * price.slope
    assert price.amount(quantity + more) <= bound


@given(RISING, st.integers(0, 60), st.integers(0, 60))
def test_amount_never_decreases_with_more_units(price: Price, quantity: int, more: int) -> None:
    """Volume prices are excluded: they may cost less at the start of a tier."""
    assert 0 <= price.amount(quantity) <= price.amount(quantity + more)


@given(PRICES)
def test_price_parsed_from_stored_json_equals_the_original(price: Price) -> None:
    read = price_from_json(msgspec.json.decode(msgspec.json.encode(price.to_json())))
    assert (type(read), read) == (type(price), price)


@given(PRICES)
def test_price_scaled_by_one_is_unchanged(price: Price) -> None:
    assert price.scale(lambda nano: nano) == price


def test_json_of_an_unknown_price_kind_is_rejected() -> None:
    with pytest.raises(PriceInvalid, match="Unknown price kind: `flat`") as caught:
        price_from_json({"kind": "flat", "tiers": [{"up_to": None, "unit": 1}]})
    assert "per_unit, package, graduated or volume" in caught.value.message


def test_fields_of_an_unknown_price_kind_are_rejected() -> None:
    with pytest.raises(
        ValueError, match=r"^`kind` must be per_unit, package, graduated or volume$"
    ):
        price_from_fields(PriceFields(kind="flat", price="1"))


def test_price_fields_without_kind_are_parsed_as_per_unit() -> None:
    assert price_from_fields(PriceFields(price="1")) == PerUnit(10**9)


def test_fields_of_another_price_kind_are_rejected() -> None:
    with pytest.raises(ValueError, match="a price of kind package does not have the field `per`"):
        price_from_fields(PriceFields(kind="package", price="1", size=10, per=5))
