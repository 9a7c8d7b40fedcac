"""Price fields in plan files: fields of each kind, and prices for several units."""

import pytest

from billing.rating.price_kinds.price_fields import (
    PriceFields,
    TierFields,
    parse_unit_price,
    require_fields,
)

REQUIRED, OPTIONAL = frozenset({"price", "size"}), frozenset({"per"})


@pytest.mark.parametrize("per", [1, 1000])
def test_required_fields_with_and_without_optional_fields_are_accepted(per: int) -> None:
    require_fields(PriceFields(price="1", size=10, per=per), REQUIRED, OPTIONAL)


def test_missing_field_is_named_in_the_error() -> None:
    with pytest.raises(ValueError, match="a price of kind per_unit needs the field `size`"):
        require_fields(PriceFields(price="1"), REQUIRED, OPTIONAL)


def test_field_of_another_price_kind_is_named_in_the_error() -> None:
    fields = PriceFields(price="1", size=10, tiers=[TierFields(price="1")])
    with pytest.raises(
        ValueError, match="a price of kind per_unit does not have the field `tiers`"
    ):
        require_fields(fields, REQUIRED, OPTIONAL)


def test_missing_price_is_reported_before_other_fields() -> None:
    with pytest.raises(ValueError, match="needs the field `price`"):
        require_fields(PriceFields(per=5, size=10), REQUIRED, frozenset())


def test_unit_price_for_several_units_is_divided() -> None:
    assert parse_unit_price("2.5", 1_000_000) == 2_500


@pytest.mark.parametrize(("text", "per"), [("0.0000005", 1000), ("1", 0), ("1", -1)])
def test_unit_price_with_fractional_nano_units_is_rejected(text: str, per: int) -> None:
    with pytest.raises(ValueError, match="not a whole number of nano-units"):
        parse_unit_price(text, per)


@pytest.mark.parametrize("text", [None, "", "x", "-1"])
def test_unit_price_that_is_not_a_decimal_is_rejected(text: str | None) -> None:
    with pytest.raises(ValueError, match="must be a decimal number"):
        parse_unit_price(text, 1)
