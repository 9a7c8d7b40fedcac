"""Measurement plan: contradictory terms are rejected with their field's name."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.dates import TimeZoneUnknown
from billing.outcomes.measurement.errors import MeasurementPlanInvalid, ReadingsInvalid
from billing.outcomes.measurement.plan import (
    DateRange,
    IndependentVariable,
    MachineGroups,
    MeasurementMethod,
    MeterReplacement,
    NonRoutineAdjustment,
    SwitchbackSchedule,
)
from tests.billing.outcomes.measurement.making import AGREED, FIRST, SHANGHAI, TURN

BOTH = ("plant", "us")
NOON = datetime(2026, 1, 2, 12, tzinfo=SHANGHAI)
SWAPS = (
    MeterReplacement(NOON.replace(hour=13), "b", "c", BOTH),
    MeterReplacement(NOON, "a", "b", BOTH),
)


class TestMeasurementPlan:
    @pytest.mark.parametrize(
        ("param", "terms"),
        [
            (
                "variables",
                {"variables": (IndependentVariable("a", "pcs"), IndependentVariable("a", "kg"))},
            ),
            ("weight", {"weight": "what"}),
            ("every", {"every": 0}),
            ("every", {"every": 7}),
            ("every", {"every": 2 * 86_400}),
            ("confidence", {"confidence": 500_000}),
            ("confidence", {"confidence": 1_000_000}),
            ("looks", {"looks": 0}),
            ("resolution", {"resolution": Decimal("0.002")}),
            ("resolution", {"resolution": Decimal("NaN")}),
            ("resolution", {"resolution": Decimal("-0.1")}),
            ("reporting", {"reporting": DateRange(FIRST, TURN)}),
            ("method", {"baseline": None}),
            ("method", {"weeks": SwitchbackSchedule()}),
            ("method", {"method": MeasurementMethod.SWITCHBACK}),
            ("method", {"method": MeasurementMethod.MACHINES}),
            ("swaps", {"swaps": SWAPS}),
            (
                "weeks",
                {
                    "baseline": None,
                    "method": MeasurementMethod.SWITCHBACK,
                    "weeks": SwitchbackSchedule(since=TURN + timedelta(days=1)),
                },
            ),
        ],
    )
    def test_contradictory_terms_are_rejected_with_their_field(
        self, param: str, terms: dict[str, Any]
    ) -> None:
        with pytest.raises(MeasurementPlanInvalid, match=f"^{param}: ") as refused:
            replace(AGREED, **terms)
        assert refused.value.param == param

    def test_adjustments_are_rejected_for_a_switchback(self) -> None:
        adjustment = NonRoutineAdjustment(TURN, 5.0, "a new hall", BOTH)
        with pytest.raises(
            MeasurementPlanInvalid, match="adjustments: are only allowed for the baseline method"
        ):
            replace(
                AGREED,
                baseline=None,
                method=MeasurementMethod.SWITCHBACK,
                weeks=SwitchbackSchedule(),
                adjustments=(adjustment,),
            )

    def test_unknown_time_zone_or_unit_is_rejected(self) -> None:
        with pytest.raises(TimeZoneUnknown):
            replace(AGREED, zone="Asia/Nowhere")
        with pytest.raises(ReadingsInvalid):
            replace(AGREED, unit="furlong")
        with pytest.raises(ReadingsInvalid):
            replace(AGREED, variables=(IndependentVariable("parts", "furlong"),))

    @pytest.mark.parametrize(
        ("unit", "weight", "saved"),
        [
            ("kWh", None, "kWh"),
            ("kWh/pcs", "parts", "kWh"),
            ("1", "parts", "pcs"),
            ("min", "parts", "min*pcs"),
            ("kWh/kg", "parts", "kWh/kg*pcs"),
        ],
    )
    def test_unit_of_the_saving_follows_from_unit_and_weight(
        self, unit: str, weight: str | None, saved: str
    ) -> None:
        assert replace(AGREED, unit=unit, weight=weight).savings_unit == saved


class TestPlanParts:
    def test_date_range_counts_days_and_rejects_an_empty_range(self) -> None:
        assert DateRange(FIRST, date(2026, 1, 4)).days == 3
        with pytest.raises(MeasurementPlanInvalid, match="must not end before"):
            DateRange(FIRST, FIRST)

    @pytest.mark.parametrize(
        "of",
        [
            {"per_day": float("nan")},
            {"reason": ""},
            {"agreed_by": ("plant", "plant")},
            {"agreed_by": ("plant", "")},
        ],
    )
    def test_adjustment_without_value_reason_or_both_parties_is_rejected(
        self, of: dict[str, Any]
    ) -> None:
        with pytest.raises(MeasurementPlanInvalid, match=r"^adjustments: "):
            replace(NonRoutineAdjustment(TURN, 5.0, "a new hall", BOTH), **of)

    def test_adjustment_applies_from_its_first_day_until_its_end(self) -> None:
        always = NonRoutineAdjustment(date(2026, 5, 2), 5.0, "a new hall", BOTH)
        awhile = replace(always, until=date(2026, 5, 4))
        days = [date(2026, 5, day) for day in (1, 2, 3, 4)]
        assert [always.applies_on(day) for day in days] == [False, True, True, True]
        assert [awhile.applies_on(day) for day in days] == [False, True, True, False]

    @pytest.mark.parametrize(
        "of",
        [
            {"at": datetime(2026, 1, 2)},  # noqa: DTZ001
            {"factor": 0.0},
            {"factor": float("inf")},
            {"agreed_by": ("us", "us")},
        ],
    )
    def test_invalid_meter_replacement_is_rejected(self, of: dict[str, Any]) -> None:
        with pytest.raises(MeasurementPlanInvalid, match=r"^swaps: "):
            replace(MeterReplacement(NOON, "a", "b", BOTH), **of)

    @pytest.mark.parametrize("of", [{"days": 7, "washout": 7}, {"days": 93}, {"washout": -1}])
    def test_invalid_switchback_schedule_is_rejected(self, of: dict[str, int]) -> None:
        with pytest.raises(MeasurementPlanInvalid, match=r"^weeks: "):
            SwitchbackSchedule(**of)

    @pytest.mark.parametrize(
        ("having", "lacking"), [((), ("a",)), (("a",), ()), (("a", "b"), ("b",))]
    )
    def test_empty_or_overlapping_machine_groups_are_rejected(
        self, having: tuple[str, ...], lacking: tuple[str, ...]
    ) -> None:
        with pytest.raises(MeasurementPlanInvalid, match=r"^machines: "):
            MachineGroups(having, lacking)
