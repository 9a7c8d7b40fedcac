"""Package prices: a started package is charged in full, and one more is reserved."""

from typing import Any

import pytest

from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.price import PriceInvalid
from billing.rating.price_kinds.price_fields import PriceFields

PRICE = Package(size=10, package_amount=25)
HUGE = 10**15


@pytest.mark.parametrize(
    ("quantity", "nano"),
    [
        (0, 0),
        (1, 25),
        (10, 25),
        (11, 50),
        (HUGE, 25 * 10**14),
        (HUGE + 1, 25 * (10**14 + 1)),
    ],
)
def test_started_package_is_charged_in_full(quantity: int, nano: int) -> None:
    assert PRICE.amount(quantity) == nano


@pytest.mark.parametrize(
    ("price", "slope"),
    [(PRICE, 3), (Package(5, 25), 5), (Package(10**12, 1), 1), (Package(1, 10**15), 10**15)],
)
def test_package_slope_is_the_unit_price_rounded_up(price: Package, slope: int) -> None:
    assert price.slope == slope


@pytest.mark.parametrize("quantity", [0, 1, 10])
def test_package_reserve_is_one_package_at_any_quantity(quantity: int) -> None:
    assert PRICE.reserve(quantity) == 25


def test_package_scale_replaces_the_amount_and_keeps_the_size() -> None:
    assert PRICE.scale(lambda nano: nano * 3) == Package(10, 75)


def test_package_json_has_kind_size_and_amount() -> None:
    assert list(PRICE.to_json().items()) == [("kind", "package"), ("size", 10), ("amount", 25)]
    assert PRICE.to_json(str) == {"kind": "package", "size": 10, "amount": "25"}


def test_package_from_fields_reads_size_and_price() -> None:
    fields = PriceFields(kind="package", size=1000, price="0.7")
    assert Package.from_fields(fields) == Package(1000, 700_000_000)


@pytest.mark.parametrize("values", [(10, -1), (10, 1.5), (0, 1), (-5, 1), (10**12 + 1, 1)])
def test_package_size_or_amount_out_of_range_is_rejected(values: tuple[Any, Any]) -> None:
    with pytest.raises(PriceInvalid, match=r"whole number|1 to 10"):
        Package(*values)
