"""Replay of agents on histories: the same rules as in operation, and what they cost and saved."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from gateway.agents.assessment import Assessment, Basis
from gateway.agents.replay.history import PointHistory
from gateway.agents.replay.outcomes import compare_with_failures
from gateway.agents.replay.replaying import Replay, ReplayRequest
from gateway.agents.replay.simulation import Episode, Simulation, simulate
from gateway.agents.replay.views import replay_json
from gateway.plant.readings.formats.times import from_datetime
from models.policies.maintenance.policy import Action
from tests.support.gateway.agents import COSTS, PREDICTION, VIBRATION, definition

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def history(*values: float, every: timedelta = timedelta(hours=1)) -> dict[str, PointHistory]:
    times = np.array([from_datetime(START + every * index) for index in range(len(values))])
    return {"vibration": PointHistory("V1", "mm/s", times, np.array(values))}


def simulated(values: list[float], **fields: Any) -> Simulation:
    agent = definition(
        **{"every": "1h", "autonomy": "approve", "actions": ["work_order"], **fields}
    )
    return simulate(agent, history(*values), START, START + timedelta(hours=len(values)))


def test_quiet_history_has_no_episode() -> None:
    found = simulated([1.0] * 24)
    assert (found.ticks, found.episodes, found.notices, found.actions) == (24, (), 0, 0)
    assert found.covered == {"vibration": 1.0}


def test_ticks_in_a_row_are_one_episode_with_one_notice_and_one_action() -> None:
    found = simulated([1.0] * 5 + [9.0] * 4 + [1.0] * 5)
    (episode,) = found.episodes
    assert (episode.start, episode.end) == (START + timedelta(hours=5), START + timedelta(hours=8))
    assert (found.notices, found.actions) == (2, 1)


def test_second_episode_within_the_cooldown_proposes_nothing_new() -> None:
    found = simulated([9.0, 1.0, 9.0] + [1.0] * 30 + [9.0])
    assert (len(found.episodes), found.actions) == (3, 2)


def test_limit_must_be_exceeded_for_the_stated_time() -> None:
    rule = {**VIBRATION, "held_for": "3h"}
    assert len(simulated([1.0, 9.0, 9.0, 9.0, 1.0], rules=[rule]).episodes) == 0
    assert len(simulated([1.0, 9.0, 9.0, 9.0, 9.0, 1.0], rules=[rule]).episodes) == 1


def test_history_without_readings_is_covered_by_none() -> None:
    found = simulate(definition(every="1h"), {}, START, START + DAY)
    assert found.covered == {"vibration": 0.0}
    assert len(found.episodes) == 1


def test_predictions_are_counted_as_the_definition_asks_for_them() -> None:
    values = [1.0] * 5 + [9.0] * 2
    assert simulated(values).predictions == 0
    assert simulated(values, prediction={**PREDICTION, "when": "rule"}).predictions == 2
    assert simulated(values, prediction={**PREDICTION, "when": "always"}).predictions == 7


def test_newest_reading_is_the_last_one_before_the_time() -> None:
    point = history(1.0, 2.0)["vibration"]
    assert point.newest_at(START - timedelta(seconds=1)).value is None
    assert point.newest_at(START).value == 1.0
    assert point.newest_at(START + timedelta(minutes=59)).value == 1.0
    assert point.newest_at(START + DAY).value == 2.0


def episode(day: float, action: Action = Action.INSPECT) -> Episode:
    at = START + DAY * day
    return Episode(at, at, (), Assessment(action=action, basis=Basis.RULES))


@pytest.mark.parametrize(
    ("alarms", "failures", "expected"),
    [
        ([], [10], (0, 1, 0)),
        ([5], [10], (1, 0, 0)),
        ([3], [10], (1, 0, 0)),
        ([2.9], [10], (0, 1, 1)),
        ([10.1], [10], (0, 1, 1)),
        ([5, 8], [10], (1, 0, 0)),
        ([5], [10, 11], (2, 0, 0)),
        ([1, 20], [10], (0, 1, 2)),
    ],
)
def test_failures_are_caught_within_the_time_ahead(
    alarms: list[float], failures: list[float], expected: tuple[int, int, int]
) -> None:
    found = compare_with_failures(
        [episode(day) for day in alarms],
        [START + DAY * day for day in failures],
        definition().costs,
        timedelta(days=7),
        30 * DAY,
    )
    assert (found.caught, found.missed, found.false_alarms) == expected


def test_costs_and_saving_are_those_computed_by_hand() -> None:
    found = compare_with_failures(
        [episode(5), episode(20), episode(25, Action.WAIT)],
        [START + DAY * 10, START + DAY * 29],
        definition(costs=COSTS).costs,
        timedelta(days=7),
        timedelta(days=30.4),
    )
    # Caught 50 + 1000, missed 10000, one false alarm 50; without the agent two failures.
    assert (found.cost, found.cost_without, found.saved) == (11_100, 20_000, 8_900)
    assert found.false_alarms_per_month == pytest.approx(1.0)


def test_replay_is_shown_with_costs_as_decimal_text() -> None:
    simulation = simulated([9.0, 1.0])
    request = ReplayRequest(START, START + DAY)
    shown = replay_json(Replay(simulation, None, 2, 1, 1_500_000), request)
    assert shown["predictions"] == {"needed": 0, "made": 2, "failed": 1, "cost": "0.001500000"}
    assert shown["episodes"][0]["assessment"]["raised"] == ("vibration",)
    assert shown["outcomes"] is None
