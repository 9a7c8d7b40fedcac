"""Decisions of a tick: the shield on real levels, tariff limits, and readings that say nothing."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.rules import NewestReading
from gateway.agents.scheduling.basis import DemandBasis, build_basis
from gateway.agents.scheduling.deciding import (
    DecisionStatus,
    PolicyInUse,
    ScheduleDecision,
    ScheduleReadings,
    decide,
    default_policy,
)
from gateway.agents.scheduling.history import build_log
from gateway.agents.scheduling.learning import learn
from gateway.agents.scheduling.levels import LevelReadings
from gateway.agents.scheduling.planning import set_points
from gateway.agents.scheduling.slots import is_whole_day, slot_of, slot_share, slot_starts
from gateway.plant.readings.formats.times import from_datetime
from models.policies.scheduling.policy_file import read_policy
from tests.support.gateway.tanks import PUMPS, at, history_of, operated, step

NOON = at(12)


@pytest.fixture(scope="module")
def basis() -> DemandBasis:
    """The basis of three weeks of operation."""
    logged = build_log(step(), history_of(operated(21)))
    return build_basis(step(), "2026-03-23", "f", logged.log, logged.only_pure())


@pytest.fixture(scope="module")
def learned() -> PolicyInUse:
    """A schedule learned from three weeks of operation."""
    found = learn(step(), build_log(step(), history_of(operated(21))), "a/b")
    installation = default_policy(step(), build_basis(step(), "d", "f", None, None)).installation
    pumps = found.pumps
    fitted = type(installation)(
        installation.levels,
        type(installation.pumps)(pumps.flows, pumps.powers, 0.0),
        installation.prices,
    )
    return PolicyInUse("spol_1", fitted, read_policy(found.content, fitted, "a/b"))


def readings(
    level: float | None, running: int = 0, now: datetime = NOON, age: timedelta = timedelta()
) -> ScheduleReadings:
    """Return readings of a level and of running pumps, all of one age."""
    time = now - age
    times = np.array([] if level is None else [from_datetime(time)], dtype=np.int64)
    values = np.array([] if level is None else [level], dtype=float)
    newest = {
        tag: NewestReading(tag, "", float(running > pump), time) for pump, tag in enumerate(PUMPS)
    }
    return ScheduleReadings(LevelReadings("m3", times, values), newest)


def decided(
    basis: DemandBasis,
    level: float | None,
    running: int = 0,
    now: datetime = NOON,
    policy: PolicyInUse | None = None,
    found: ScheduleReadings | None = None,
    raised: bool = False,
    schedule: ScheduleStep | None = None,
) -> ScheduleDecision:
    """Return a decision."""
    given = found or readings(level, running, now)
    return decide(schedule or step(), given, basis, policy, now, raised)


def test_low_level_starts_all_pumps_and_high_level_stops_them(basis: DemandBasis) -> None:
    low = decided(basis, 200, 0)
    assert [(one.point, one.value) for one in low.set_points] == [(PUMPS[0], 1.0), (PUMPS[1], 1.0)]
    high = decided(basis, 560, 2)
    assert [(one.point, one.value) for one in high.set_points] == [(PUMPS[1], 0.0), (PUMPS[0], 0.0)]


def test_level_between_the_limits_keeps_the_pumps_as_they_are(basis: DemandBasis) -> None:
    assert not decided(basis, 400, 2).changes
    assert not decided(basis, 400, 0).changes


@pytest.mark.parametrize(("hour", "least"), [(1.0, 1), (9.5, 2), (11.9, 2), (18.0, 2), (23.9, 1)])
def test_shield_overrules_the_learned_schedule_at_the_limits(
    basis: DemandBasis, learned: PolicyInUse, hour: float, least: int
) -> None:
    low = decided(basis, 101, 0, at(hour), learned).wanted
    assert low is not None
    assert low >= least
    assert decided(basis, 599, 2, at(hour), learned).wanted == 0


@pytest.mark.parametrize("level", [60.0, 630.0])
def test_level_outside_its_limits_is_answered_by_what_brings_it_back(
    basis: DemandBasis, learned: PolicyInUse, level: float
) -> None:
    found = decided(basis, level, 1, policy=learned)
    assert found.wanted == (2 if level < 100 else 0)


def test_plan_stays_within_the_levels_and_costs_less_than_hysteresis(
    basis: DemandBasis, learned: PolicyInUse
) -> None:
    found = decided(basis, 350, 0, at(6), learned)
    assert found.plan is not None
    assert found.saving is not None
    assert all(100 <= slot.level <= 600 for slot in found.plan.slots)
    assert found.saving > 0
    assert len(found.plan.slots) == 48


def test_unusable_level_switches_nothing_and_names_the_reason(basis: DemandBasis) -> None:
    for found, reason in (
        (readings(None), "level_missing"),
        (readings(300, age=timedelta(hours=1)), "level_stale"),
        (readings(300, age=-timedelta(hours=1)), "level_future"),
        (readings(5000), "level_impossible"),
    ):
        result = decided(basis, None, found=found)
        assert (result.status, result.reason) == (DecisionStatus.BLIND, reason)
        assert not result.changes
        assert result.plan is None


def test_frozen_level_switches_nothing(basis: DemandBasis) -> None:
    times = [from_datetime(NOON - timedelta(minutes=15 * back)) for back in range(10, -1, -1)]
    stuck = LevelReadings("m3", np.array(times), np.full(11, 200.0))
    found = ScheduleReadings(stuck, readings(200, 2).newest)
    result = decided(basis, 200, 2, found=found)
    assert (result.reason, result.set_points) == ("level_frozen", ())


def test_pump_without_a_known_state_switches_nothing(basis: DemandBasis) -> None:
    good = readings(300)
    for newest in (
        {PUMPS[0]: good.newest[PUMPS[0]]},
        {**good.newest, PUMPS[1]: NewestReading(PUMPS[1], "")},
        {**good.newest, PUMPS[1]: NewestReading(PUMPS[1], "", 1.0, NOON - timedelta(days=2))},
    ):
        found = decided(basis, None, found=ScheduleReadings(good.level, newest))
        assert (found.status, found.reason) == (DecisionStatus.BLIND, "pump_state_unknown")


def test_raised_rule_holds_the_pumps_but_shows_the_plan(basis: DemandBasis) -> None:
    found = decided(basis, 200, 0, raised=True)
    assert (found.status, found.reason, found.changes) == (
        DecisionStatus.HELD,
        "rule_raised",
        False,
    )
    assert found.wanted == 2


def test_clock_that_jumps_ahead_or_back_makes_readings_useless_not_dangerous(
    basis: DemandBasis, learned: PolicyInUse
) -> None:
    found = readings(150, 0, NOON)
    for now, reason in (
        (NOON + timedelta(hours=3), "level_stale"),
        (NOON - timedelta(hours=3), "level_future"),
    ):
        result = decided(basis, None, now=now, policy=learned, found=found)
        assert (result.reason, result.changes) == (reason, False)


def test_price_changes_at_the_minute_of_the_tariff_also_at_midnight(basis: DemandBasis) -> None:
    # 22:00 is flat, midnight valley: the plan of 23:30 has one slot of the old price.
    found = decided(basis, 350, 0, at(23.5))
    assert found.plan is not None
    assert [slot.price for slot in found.plan.slots[:3]] == pytest.approx([0.64, 0.32, 0.32])
    assert found.plan.slots[1].start == at(24)


def test_tick_within_a_slot_counts_only_what_is_left_of_it(basis: DemandBasis) -> None:
    now = at(23.75)
    assert (slot_of(step(), now), slot_share(step(), now)) == (47, 0.5)
    starts = list(slot_starts(step(), now))
    assert starts[:2] == [now, at(24)]
    found = decided(basis, 200, 0, now)
    assert found.plan is not None
    assert found.plan.slots[0].cost == pytest.approx(found.plan.slots[1].cost / 2 * 0.64 / 0.32)


def test_slots_follow_the_clock_on_the_wall_when_it_is_changed() -> None:
    schedule = step(time_zone="Europe/Berlin")
    # At 01:00 UTC on 29 March 2026 the clocks go from 02:00 to 03:00.
    assert slot_of(schedule, datetime(2026, 3, 29, 0, 59, tzinfo=UTC)) == 3
    assert slot_of(schedule, datetime(2026, 3, 29, 1, 0, tzinfo=UTC)) == 6
    assert not is_whole_day(schedule, date(2026, 3, 29))
    assert is_whole_day(schedule, date(2026, 3, 30))


def test_basis_without_history_rests_on_the_highest_demand_that_the_owner_expects() -> None:
    basis = build_basis(step(), "2026-03-02", "f", None, None)
    assert (basis.days, basis.mean[0]) == (0, 65.0)
    assert decided(basis, 130, 0).wanted == 2


@pytest.mark.parametrize(
    ("states", "wanted", "expected"),
    [
        ((False, False), 1, [("P1.RUN", 1.0)]),
        ((False, True), 1, []),
        ((False, True), 2, [("P1.RUN", 1.0)]),
        ((True, True), 1, [("P2.RUN", 0.0)]),
        ((False, True), 0, [("P2.RUN", 0.0)]),
    ],
)
def test_as_few_pumps_as_possible_are_switched(
    states: tuple[bool, bool], wanted: int, expected: list[tuple[str, float]]
) -> None:
    running = dict(zip(PUMPS, states, strict=True))
    found = set_points(step().pumps, running, wanted)
    assert [(one.point, one.value) for one in found] == expected
