"""Allowances: a model's own included units are used before those of all models, and no unit is used
twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.quota.allowance import (
    apply_allowances,
    covered_by_meter_and_quota,
    covered_units_by_meter,
)
from tests.support.gateway.quotas import allowance

OWN, SHARED = allowance("output_tokens"), allowance("output_tokens", "*")
ROWS = allowance("rows")
INCLUDED = (OWN, SHARED, ROWS)
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
