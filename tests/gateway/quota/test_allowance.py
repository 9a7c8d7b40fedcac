"""Allowances: a model's own included units are used before those of all models, and no unit is used
twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.metering.packs import PackQuotaRef
from billing.rating.quantities import Quantities
from billing.tables import QuotaKind
from gateway.call.reservation import Lease, allowance_order, reserve_all
from gateway.inference.usage.record import charge_with_allowances
from gateway.quota.allowance import (
    apply_allowances,
    covered_by_meter_and_quota,
    covered_units_by_meter,
)
from infra import ids
from tests.support.gateway.quotas import allowance

OWN, SHARED = allowance("output_tokens"), allowance("output_tokens", "*")
ROWS = allowance("rows")
INCLUDED = (OWN, SHARED, ROWS)
_METERS = ("input_tokens", "cached_input_tokens", "output_tokens")
EXPIRY = datetime(2026, 12, 1, tzinfo=UTC)
TOKEN_PACK = PackQuotaRef(
    "pack", QuotaKind.ALLOWANCE, False, 10, "*", expires_at=EXPIRY, meters=_METERS
).for_each_meter()
COUNTS = st.integers(-3, 50)


class TestAllowanceUse:
    @pytest.mark.parametrize(
        ("needs", "free", "parts"),
        [
            (7, {OWN: 9, SHARED: 9}, ((OWN, 7),)),
            (7, {OWN: 3, SHARED: 9}, ((OWN, 3), (SHARED, 4))),
            (7, {OWN: 3, SHARED: 1}, ((OWN, 3), (SHARED, 1))),
            (7, {OWN: -3, SHARED: 1}, ((SHARED, 1),)),
            (7, {}, ()),
            (0, {OWN: 9}, ()),
        ],
    )
    def test_allowances_are_applied_in_order(self, needs: int, free: dict, parts: tuple) -> None:
        units = {quota.id: amount for quota, amount in free.items()}
        assert apply_allowances({"output_tokens": needs, "rows": 0}, INCLUDED, units) == parts

    @given(st.fixed_dictionaries({"output_tokens": COUNTS, "rows": COUNTS}), st.data())
    def test_applied_units_exceed_neither_need_nor_available_units(
        self, needs: dict[str, int], data: st.DataObject
    ) -> None:
        free = {quota.id: data.draw(COUNTS) for quota in INCLUDED}
        parts = apply_allowances(needs, INCLUDED, free)
        assert all(0 < units <= free[quota.id] for quota, units in parts)
        assert all(units <= needs[meter] for meter, units in covered_units_by_meter(parts).items())

    def test_covered_units_are_grouped_by_meter_and_quota(self) -> None:
        assert covered_by_meter_and_quota([(OWN, 3), (SHARED, 4), (ROWS, 1)]) == {
            "output_tokens": {OWN.id: 3, SHARED.id: 4},
            "rows": {ROWS.id: 1},
        }
        assert covered_by_meter_and_quota([]) is None


class TestPackOfTokens:
    """A pack is one quota that is listed once per meter."""

    def test_meters_share_the_units_of_the_pack(self) -> None:
        needs = {"input_tokens": 4, "cached_input_tokens": 0, "output_tokens": 9}
        use = apply_allowances(needs, TOKEN_PACK, {TOKEN_PACK[0].id: 10})
        assert covered_by_meter_and_quota(use) == {
            "input_tokens": {TOKEN_PACK[0].id: 4},
            "output_tokens": {TOKEN_PACK[0].id: 6},
        }

    def test_units_reserved_for_one_meter_are_used_for_another(self) -> None:
        """All 10 units are reserved for a prompt of unknown length, which has 2 tokens."""
        lease = Lease(QuotaKind.ALLOWANCE)
        lease.borrowed = 10
        reservation = reserve_all([(lease, (TOKEN_PACK[0], 10))], ids.new_id(), 0.0)
        assert reservation is not None
        cost, use = charge_with_allowances(
            Quantities(input_tokens=2, output_tokens=9),
            {"input_tokens": 1, "output_tokens": 5},
            reservation.reserved_allowances,
        )
        assert (cost, sum(units for _, units in use)) == (5, 10)
        reservation.settle(cost, 11, 0.0, {TOKEN_PACK[0].id: 10})
        assert (lease.used, lease.reserved) == (10, 0)

    def test_extension_of_a_stream_keeps_the_units_of_each_meter(self) -> None:
        lease, process_id = Lease(QuotaKind.ALLOWANCE), ids.new_id()
        lease.borrowed = 30
        first = reserve_all(
            [(lease, (TOKEN_PACK[0], 4)), (lease, (TOKEN_PACK[2], 6))], process_id, 0
        )
        more = reserve_all([(lease, (TOKEN_PACK[2], 5))], process_id, 0)
        assert first is not None
        assert more is not None
        first.merge(more)
        assert list(first.reserved_allowances.values()) == [4, 0, 11]
        first.settle(0, 0, 0.0, {TOKEN_PACK[0].id: 12})
        assert (lease.used, lease.reserved) == (12, 0)

    def test_packs_come_after_allowances_and_by_expiry(self) -> None:
        late, soon = (
            replace(TOKEN_PACK[0], id="late"),
            replace(TOKEN_PACK[0], id="soon", expires_at=EXPIRY - timedelta(days=1)),
        )
        ordered = sorted([late, SHARED, soon, OWN], key=allowance_order)
        assert ordered == [OWN, SHARED, soon, late]
