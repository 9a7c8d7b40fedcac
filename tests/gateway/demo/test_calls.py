"""Planned demo calls: deterministic, at plausible times and in plausible numbers."""

from datetime import date, timedelta

import pytest

from billing.rating.quantities import NO_USAGE
from gateway.demo.calls import (
    PlannedCall,
    call_types_with_models,
    calls_between,
    first_model,
    plan_calls_of_day,
)
from gateway.demo.dates import at_hour
from gateway.demo.machining import MACHINING
from gateway.demo.pumping import PUMPING
from models.catalog import Task, load_catalog
from tests.support.profile import PROFILE

CPU = load_catalog(PROFILE)
WORKS = call_types_with_models(CPU, MACHINING.call_types)
MONDAY = date(2026, 9, 7)


def calls(day: date = MONDAY, percent: int = 100) -> list[PlannedCall]:
    return plan_calls_of_day(MACHINING, WORKS, date(2026, 9, 1), day, percent)


def a_month(since: date = MONDAY, percent: int = 100) -> list[PlannedCall]:
    return [call for at in range(28) for call in calls(since + timedelta(days=at), percent)]


class TestPlannedCallsOfDay:
    def test_plan_of_a_day_is_deterministic_and_differs_by_week(self) -> None:
        assert calls() == calls() != calls(MONDAY + timedelta(days=7))

    def test_calls_are_within_the_day_and_ordered_by_time(self) -> None:
        times = [call.at for call in calls()]
        assert times == sorted(times)
        assert at_hour(MONDAY, 0) <= times[0] < times[-1] < at_hour(MONDAY, 24)

    def test_sunday_has_few_calls_and_nights_have_none(self) -> None:
        sunday, nights = calls(MONDAY + timedelta(days=6)), at_hour(MONDAY, 5)
        assert 0 < len(sunday) < len(calls()) / 5
        assert calls_between(calls(), at_hour(MONDAY, 0), nights) == []

    def test_percentage_scales_the_number_of_calls(self) -> None:
        assert len(a_month(percent=10)) == pytest.approx(len(a_month()) / 10, rel=0.1)

    def test_call_volume_doubles_within_a_year(self) -> None:
        """Volume grows by 0.3 percentage points each day, here over 364 days."""
        later = len(a_month(MONDAY + timedelta(days=364)))
        assert later == pytest.approx(2.05 * len(a_month()), rel=0.1)

    def test_call_types_end_after_their_active_days(self) -> None:
        """The call types of the API key that is revoked on that day."""
        ending = {work.key for work, _ in WORKS if work.active_days == 24}
        on_day = [
            {call.call_type.key for call in calls(date(2026, 9, 1) + timedelta(days=at))} & ending
            for at in (22, 23, 24, 27)
        ]
        assert on_day == [ending, ending, set(), set()]

    def test_unbilled_calls_have_no_usage(self) -> None:
        found = a_month()
        unbilled = [call for call in found if not call.outcome.settlement.billable]
        assert 0.005 < len(unbilled) / len(found) < 0.04
        assert {call.quantities for call in unbilled} == {NO_USAGE}
        assert all(call.quantities != NO_USAGE for call in found if call not in unbilled)

    def test_only_streamed_calls_end_with_client_disconnect(self) -> None:
        left = [call for call in a_month() if call.outcome.status == 499]
        assert left
        assert all(call.call_type.streamed and call.first_chunk_us for call in left)

    def test_tags_contain_machine_and_weekly_order(self) -> None:
        first = next(call for call in calls() if "order" in call.tags and "machine" in call.tags)
        assert first.tags["order"].startswith("HS-37-")
        assert first.tags["machine"].startswith("CNC-0")


class TestDemoModels:
    def test_every_call_type_has_a_model_in_both_profiles(self) -> None:
        for firm in (MACHINING, PUMPING):
            for profile in ("cpu", "gpu"):
                assert len(call_types_with_models(load_catalog(profile), firm.call_types)) == len(
                    firm.call_types
                )

    def test_model_is_found_by_source(self) -> None:
        named = first_model(CPU, Task.CALCULATION, "pump_efficiency")
        assert named != first_model(CPU, Task.CALCULATION, "")
        assert named is not None
        assert CPU.models[named].weights.source == "pump_efficiency"

    def test_call_type_without_a_model_is_omitted(self) -> None:
        assert first_model(CPU, Task.CALCULATION, "nothing") is None
        without = [model for model in CPU.models.values() if model.task is not Task.REGRESSION]
        smaller = type(CPU)({model.id: model for model in without})
        assert len(call_types_with_models(smaller, MACHINING.call_types)) == len(WORKS) - 1
