"""Tiers, and the common behaviour of graduated and volume prices."""

from typing import Any

import pytest

from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.price import PriceInvalid
from billing.rating.price_kinds.price_fields import PriceFields, TierFields
from billing.rating.price_kinds.tiers import Tier, TieredPrice
from billing.rating.price_kinds.volume import Volume

BOTH = pytest.mark.parametrize("kind", [Graduated, Volume])
TIERS = (Tier(10, 5), Tier(None, 3))
WRONG_TIERS = {
    "none": (),
    "too many": (*(Tier(end, 1) for end in range(1, 51)), Tier(None, 1)),
    "the last ends": (Tier(10, 1),),
    "one before the last has no end": (Tier(None, 1), Tier(None, 1)),
    "an empty one": (Tier(10, 1), Tier(10, 1), Tier(None, 1)),
    "backwards": (Tier(10, 1), Tier(9, 1), Tier(None, 1)),
    "the first is empty": (Tier(0, 1), Tier(None, 1)),
}


@pytest.mark.parametrize(
    "values", [(None, -1), (None, 10**15 + 1), (None, 1, -1), (None, 1, 10**18 + 1)]
)
def test_tier_amount_out_of_range_is_rejected(values: tuple[Any, ...]) -> None:
    with pytest.raises(PriceInvalid, match="whole number"):
        Tier(*values)


@BOTH
@pytest.mark.parametrize("wrong", WRONG_TIERS.values(), ids=WRONG_TIERS)
def test_tiers_that_do_not_ascend_are_rejected(
    kind: type[TieredPrice], wrong: tuple[Tier, ...]
) -> None:
    with pytest.raises(PriceInvalid, match=r"There must be|Each tier"):
        kind(wrong)


def test_tiers_at_the_limits_are_accepted() -> None:
    most = (*(Tier(end, 10**15, flat=10**18) for end in range(1, 50)), Tier(None, 0))
    assert len(Graduated(most).tiers) == 50


def test_graduated_and_volume_prices_with_the_same_tiers_are_not_equal() -> None:
    assert Graduated(TIERS) == Graduated(TIERS)
    assert Graduated(TIERS) != Volume(TIERS)


@BOTH
def test_tiered_price_scale_replaces_amounts_and_keeps_the_kind(kind: type[TieredPrice]) -> None:
    assert kind(TIERS).scale(lambda nano: nano * 3) == kind((Tier(10, 15), Tier(None, 9)))


def test_tier_scale_includes_the_flat_amount() -> None:
    assert Tier(10, 5, flat=2).scale(lambda nano: nano * 3) == Tier(10, 15, flat=6)


@BOTH
def test_tiered_price_json_has_kind_and_each_tier_with_defaults(kind: type[TieredPrice]) -> None:
    assert kind(TIERS).to_json() == {
        "kind": kind.kind,
        "tiers": [{"up_to": 10, "unit": 5, "flat": 0}, {"up_to": None, "unit": 3, "flat": 0}],
    }
    assert kind(TIERS).to_json(str)["tiers"][0] == {"up_to": 10, "unit": "5", "flat": "0"}


@BOTH
def test_tiered_price_from_fields_divides_unit_prices_by_per(kind: type[TieredPrice]) -> None:
    tiers = [TierFields(price="0.02", up_to=10), TierFields(price="0.01")]
    fields = PriceFields(kind=kind.kind, per=1000, tiers=tiers)
    assert kind.from_fields(fields) == kind((Tier(10, 20_000), Tier(None, 10_000)))


def test_tier_from_fields_does_not_divide_the_flat_amount() -> None:
    tier = Tier.from_fields(TierFields(price="0.02", flat="3"), 1000)
    assert tier == Tier(None, 20_000, flat=3 * 10**9)
