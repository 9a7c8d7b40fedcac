"""Calls of the demo: dice that fall the same, at plausible times and in plausible numbers."""

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

CPU = load_catalog("cpu")
WORKS = call_types_with_models(CPU, MACHINING.call_types)
MONDAY = date(2026, 9, 7)


def calls(day: date = MONDAY, percent: int = 100) -> list[PlannedCall]:
    return plan_calls_of_day(MACHINING, WORKS, date(2026, 9, 1), day, percent)


def a_month(since: date = MONDAY, percent: int = 100) -> list[PlannedCall]:
    return [call for at in range(28) for call in calls(since + timedelta(days=at), percent)]


class TestCallsOfDay:
    def test_the_same_dice_fall_the_same(self) -> None:
        assert calls() == calls() != calls(MONDAY + timedelta(days=7))

    def test_they_are_of_the_day_in_their_order(self) -> None:
        times = [call.at for call in calls()]
        assert times == sorted(times)
        assert at_hour(MONDAY, 0) <= times[0] < times[-1] < at_hour(MONDAY, 24)

    def test_a_sunday_is_quiet_and_nights_are(self) -> None:
        sunday, nights = calls(MONDAY + timedelta(days=6)), at_hour(MONDAY, 5)
        assert 0 < len(sunday) < len(calls()) / 5
        assert calls_between(calls(), at_hour(MONDAY, 0), nights) == []

    def test_fewer_are_asked_for(self) -> None:
        assert len(a_month(percent=10)) == pytest.approx(len(a_month()) / 10, rel=0.1)

    def test_the_plant_takes_to_it(self) -> None:
        """Three more a thousand each day, 364 days later."""
        later = len(a_month(MONDAY + timedelta(days=364)))
        assert later == pytest.approx(2.05 * len(a_month()), rel=0.1)

    def test_some_work_ends(self) -> None:
        """That of the key which is revoked then."""
        ending = {work.key for work, _ in WORKS if work.active_days == 24}
        on_day = [
            {call.call_type.key for call in calls(date(2026, 9, 1) + timedelta(days=at))} & ending
            for at in (22, 23, 24, 27)
        ]
        assert on_day == [ending, ending, set(), set()]

    def test_what_is_not_billed_consumes_nothing(self) -> None:
        found = a_month()
        unbilled = [call for call in found if not call.outcome.settlement.billable]
        assert 0.005 < len(unbilled) / len(found) < 0.04
        assert {call.quantities for call in unbilled} == {NO_USAGE}
        assert all(call.quantities != NO_USAGE for call in found if call not in unbilled)

    def test_only_streams_are_left(self) -> None:
        left = [call for call in a_month() if call.outcome.status == 499]
        assert left
        assert all(call.call_type.streamed and call.first_chunk_us for call in left)

    def test_tags_name_machines_and_orders_of_the_week(self) -> None:
        first = next(call for call in calls() if "order" in call.tags and "machine" in call.tags)
        assert first.tags["order"].startswith("HS-37-")
        assert first.tags["machine"].startswith("CNC-0")


class TestModels:
    def test_every_kind_of_work_has_one_on_both_profiles(self) -> None:
        for firm in (MACHINING, PUMPING):
            for profile in ("cpu", "gpu"):
                assert len(call_types_with_models(load_catalog(profile), firm.call_types)) == len(
                    firm.call_types
                )

    def test_by_its_source(self) -> None:
        named = first_model(CPU, Task.CALCULATION, "pump_efficiency")
        assert named != first_model(CPU, Task.CALCULATION, "")
        assert named is not None
        assert CPU.models[named].weights.source == "pump_efficiency"

    def test_without_one_the_work_is_left_out(self) -> None:
        assert first_model(CPU, Task.CALCULATION, "nothing") is None
        without = [model for model in CPU.models.values() if model.task is not Task.REGRESSION]
        smaller = type(CPU)({model.id: model for model in without})
        assert len(call_types_with_models(smaller, MACHINING.call_types)) == len(WORKS) - 1
