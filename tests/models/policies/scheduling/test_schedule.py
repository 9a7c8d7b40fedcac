"""Schedules: levels are kept in the worst case, logs are learned from, energy gets cheaper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.policies.scheduling.comparison import compare
from models.policies.scheduling.controllers import Controller, Hysteresis, LearnedSchedule, Shielded
from models.policies.scheduling.learning import ScheduleTerms, fit_schedule, learn
from models.policies.scheduling.log import LogInvalid, OperationLog, fit_pumps
from models.policies.scheduling.operation import operate
from models.policies.scheduling.policy_file import PolicyFileInvalid, read_policy, write_policy
from models.policies.scheduling.pumping import Installation, Levels, Pumps
from models.policies.scheduling.shield import MARGIN, build_shield
from models.policies.scheduling.tariff import Floats, Period, Tariff

SLOTS = 24
LEVELS = Levels(20.0, 200.0)
PUMPS = Pumps((0.0, 20.0, 36.0), (0.0, 10.0, 21.0), 0.5)
TARIFF = Tariff(
    "CNY", (Period(0, "valley", 0.3), Period(480, "peak", 1.2), Period(1320, "flat", 0.6))
)
WORKS = Installation(LEVELS, PUMPS, tuple(float(price) for price in TARIFF.prices(SLOTS)))
CURRENT = Hysteresis(60.0, 180.0, 2)
BEGINS = (110.0, 0)


def demand(days: int, seed: int = 0) -> Floats:
    mean = 14 + 6 * np.sin(np.arange(SLOTS) / SLOTS * 2 * np.pi)
    return mean * np.random.default_rng(seed).uniform(0.8, 1.2, (days, SLOTS))


def log_of(demands: Floats, controller: Controller = CURRENT) -> OperationLog:
    random, level, before, rows = np.random.default_rng(1), BEGINS[0], BEGINS[1], []
    for day in demands:
        for slot, taken in enumerate(day):
            action = controller.act(slot, level, before)
            if random.random() < 0.1 and 60 < level < 160:
                action = int(random.integers(3))
            inflow = PUMPS.flows[action]
            rows.append((slot, level, action, inflow, taken, PUMPS.powers[action]))
            level, before = level + inflow - float(taken), action
    return OperationLog(*(np.array(column) for column in zip(*rows, strict=True)))


def some_steps(log: OperationLog, kept: NDArray[np.bool_]) -> OperationLog:
    return OperationLog(
        log.slots[kept],
        log.levels[kept],
        log.actions[kept],
        log.inflows[kept],
        log.demands[kept],
        log.energies[kept],
    )


@pytest.fixture(scope="module")
def schedule() -> LearnedSchedule:
    return fit_schedule(WORKS, demand(30))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1.0, 1.0 + MARGIN), st.integers(0, SLOTS - 1))
def test_shielded_controllers_keep_levels_whatever_they_want(
    seed: int, higher: float, first: int
) -> None:
    logged = demand(20)
    shield, random = build_shield(WORKS, logged), np.random.default_rng(seed)

    class Random:
        def act(self, slot: int, level: float, before: int) -> int:
            return int(random.integers(3))

    controller, level = Shielded(Random(), shield), 190.0
    for taken in np.roll(logged.max(axis=0), -first) * higher:
        action = controller.act(first, level, 0)
        level += PUMPS.flows[action] - float(taken)
        first = (first + 1) % SLOTS
        assert LEVELS.lowest - 1e-9 <= level <= LEVELS.highest


def test_shield_allows_no_pump_that_would_overfill_the_tank() -> None:
    allowed = build_shield(WORKS, demand(20)).allowed(0, 170.0)
    assert allowed.tolist() == [True, True, False]


def test_shield_runs_all_pumps_when_the_tank_is_below_its_lowest_level() -> None:
    assert build_shield(WORKS, demand(20)).allowed(0, 5.0).tolist() == [False, False, True]


def test_shield_runs_no_pump_when_the_tank_is_above_its_highest_level() -> None:
    assert build_shield(WORKS, demand(20)).allowed(0, 230.0).tolist() == [True, False, False]


def test_learned_schedule_is_cheaper_than_hysteresis_on_new_days(schedule: LearnedSchedule) -> None:
    found = compare(WORKS, CURRENT, schedule, demand(60, seed=9), BEGINS)
    assert found.is_better
    assert found.saving.value > 0.2
    assert found.candidate.violations == 0


def test_schedule_pumps_in_the_valley_and_rests_at_the_peak(schedule: LearnedSchedule) -> None:
    assert schedule.act(3, 110.0, 0) > 0
    assert schedule.act(9, 150.0, 0) == 0


def test_rule_compared_with_itself_saves_nothing_and_is_not_better() -> None:
    found = compare(WORKS, CURRENT, CURRENT, demand(20), BEGINS)
    assert found.saving.value == 0
    assert not found.is_better


def test_emptying_the_tank_is_no_saving() -> None:
    class Nothing:
        def act(self, slot: int, level: float, before: int) -> int:
            return 0

    short = np.full((1, SLOTS), 3.0)
    assert operate(WORKS, Nothing(), short, BEGINS).violations == 0
    assert not compare(WORKS, Hysteresis(100.0, 112.0, 1), Nothing(), short, BEGINS).is_better


def test_learning_recovers_flow_and_power_of_the_pumps_from_the_log() -> None:
    terms = ScheduleTerms(LEVELS, TARIFF, 2, 0.5, SLOTS)
    plan = learn(log_of(demand(30)), terms, CURRENT)
    assert plan.installation.pumps.flows == pytest.approx(PUMPS.flows)
    assert plan.installation.pumps.powers == pytest.approx(PUMPS.powers)
    assert plan.comparison.is_better


def test_log_of_few_days_is_refused() -> None:
    with pytest.raises(LogInvalid, match="13 whole days; 14 are needed"):
        learn(log_of(demand(13)), ScheduleTerms(LEVELS, TARIFF, 2, 0.5, SLOTS), CURRENT)


def test_log_without_an_action_is_refused_by_its_number_of_steps() -> None:
    log = log_of(demand(20))
    with pytest.raises(LogInvalid, match="0 steps with 1 pumps"):
        fit_pumps(some_steps(log, log.actions != 1), 3, 0.5, 1.0)


def test_log_with_a_missing_step_is_refused() -> None:
    log = log_of(demand(3))
    with pytest.raises(LogInvalid, match="all 24 steps of each day"):
        some_steps(log, np.arange(72) != 30).days(SLOTS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_log_with_an_impossible_demand_is_refused(bad: float) -> None:
    log = log_of(demand(1))
    demands = log.demands.copy()
    demands[3] = bad
    with pytest.raises(LogInvalid):
        OperationLog(log.slots, log.levels, log.actions, log.inflows, demands, log.energies)


def test_policy_file_is_read_back_with_the_same_decisions(schedule: LearnedSchedule) -> None:
    read = read_policy(write_policy(schedule, WORKS, "ast_1"), WORKS, "ast_1")
    states = [(slot, level, before) for slot in range(SLOTS) for level in (60.0, 120.0, 180.0)
              for before in range(3)]  # fmt: skip
    assert [read.act(*state) for state in states] == [schedule.act(*state) for state in states]


def test_policy_file_of_another_plant_is_refused(schedule: LearnedSchedule) -> None:
    content = write_policy(schedule, WORKS, "ast_1")
    with pytest.raises(PolicyFileInvalid, match="learned for the asset ast_1"):
        read_policy(content, WORKS, "ast_2")
    other = Installation(Levels(20.0, 150.0), PUMPS, WORKS.prices)
    with pytest.raises(PolicyFileInvalid, match="other levels, pumps or prices"):
        read_policy(content, other, "ast_1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((b"maas.schedule.v1", b"maas.schedule.v9"), "has the format"),
        ((b'"grid":[', b'"grid":[1.0,'), "do not fit each other"),
        ((b'"costs":[[', b'"costs":[["x",'), "no table of numbers"),
        ((b'{"format"', b'{"extra":1,"format"'), "not a learned schedule"),
        ((b'"ceilings":', b"{"), "not a learned schedule"),
    ],
)
def test_damaged_policy_file_is_refused_with_its_reason(
    schedule: LearnedSchedule, change: tuple[bytes, bytes], message: str
) -> None:
    content = write_policy(schedule, WORKS, "ast_1")
    with pytest.raises(PolicyFileInvalid, match=message):
        read_policy(content.replace(*change, 1), WORKS, "ast_1")


@pytest.mark.parametrize(
    ("flows", "powers"),
    [
        ((0.0,), (0.0,)),
        ((1.0, 2.0), (0.0, 1.0)),
        ((0.0, 0.0), (0.0, 1.0)),
        ((0.0, 1.0), (0.0, -1.0)),
    ],
)
def test_impossible_pumps_are_refused(flows: tuple[float, ...], powers: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"[Pp]ump|Power|Flow"):
        Pumps(flows, powers, 0.0)
