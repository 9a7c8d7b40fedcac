"""Warnings: replay counts what happened, and learned rules beat a limit on one sensor."""

import numpy as np
import pytest

from models.policies.warnings.candidates import FIXED
from models.policies.warnings.chart import chart_score
from models.policies.warnings.features import tick_features
from models.policies.warnings.history import (
    Floats,
    HistoryInvalid,
    MachineHistory,
    WarningTerms,
)
from models.policies.warnings.learned import learn_warnings
from models.policies.warnings.replay import WarningResult, replay_warnings
from models.policies.warnings.single_sensor import fit_single_sensor
from models.policies.warnings.thresholds import cheapest_threshold

TERMS = WarningTerms(miss=10.0, false_alarm=1.0, hold=10)


def quiet(ticks: int = 100, events: tuple[tuple[int, int], ...] = ()) -> MachineHistory:
    return MachineHistory("quiet", np.zeros((ticks, 1)), events, 10)


def wanted(*ticks: int, length: int = 100) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    flags = np.zeros(length, dtype=bool)
    flags[list(ticks)] = True
    return flags


def machine(seed: int, events: int = 2) -> MachineHistory:
    """Two sensors that move together in normal operation and apart in an event."""
    random = np.random.default_rng(seed)
    common = random.normal(0, 1, 600)
    readings = np.stack([common, common], axis=1) + random.normal(0, 0.1, (600, 2))
    spans = tuple(
        (first, first + 40) for first in np.linspace(150, 500, events).astype(int).tolist()
    )
    for first, last in spans:
        readings[first : last + 1, 0] += 1.0
    return MachineHistory(f"machine {seed}", readings, spans, 100)


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ((), WarningResult(0, 1, 0, 90)),
        ((50,), WarningResult(1, 0, 0, 90)),
        ((60,), WarningResult(1, 0, 0, 90)),
        ((61,), WarningResult(0, 1, 1, 90)),
        ((49,), WarningResult(0, 1, 1, 90)),
        ((45, 54), WarningResult(0, 1, 1, 90)),
        ((45, 55), WarningResult(1, 0, 1, 90)),
        ((50, 60), WarningResult(1, 0, 0, 90)),
        ((5, 9), WarningResult(0, 1, 0, 90)),
        (tuple(range(100)), WarningResult(1, 0, 7, 90)),
    ],
)
def test_replay_counts_caught_missed_and_false(
    ticks: tuple[int, ...], expected: WarningResult
) -> None:
    assert replay_warnings(wanted(*ticks), quiet(events=((50, 60),)), 10) == expected


def test_history_without_events_has_false_alarms_only() -> None:
    assert replay_warnings(wanted(20, 40), quiet(), 10) == WarningResult(0, 0, 2, 90)


def test_cost_is_that_of_misses_and_false_alarms() -> None:
    assert WarningResult(3, 2, 4, 100).cost(TERMS) == 24.0


def test_threshold_separates_the_event_from_the_rest() -> None:
    history = quiet(events=((50, 60),))
    score = np.where(history.in_event, 2.0, 1.0) + np.linspace(0, 0.1, 100)
    found = cheapest_threshold([score], [history], TERMS)
    assert replay_warnings(score > found.value, history, TERMS.hold).cost(TERMS) == 0


def test_threshold_warns_always_when_misses_are_dear_and_the_score_says_nothing() -> None:
    history = quiet(events=((50, 60),))
    score: Floats = np.where(history.in_event, 0.0, 1.0)
    found = cheapest_threshold([score], [history], WarningTerms(1000.0, 1.0, 10))
    assert (score > found.value).all()


def test_learned_warnings_cost_less_than_a_limit_on_one_sensor() -> None:
    known, new = [machine(seed) for seed in range(5)], [machine(seed) for seed in range(20, 25)]
    usual, learned = fit_single_sensor(known, TERMS), learn_warnings(known, TERMS)
    cost = sum(replay_warnings(usual.wants(one), one, TERMS.hold).cost(TERMS) for one in new)
    assert sum(learned.replay(one, TERMS).cost(TERMS) for one in new) < 0.5 * cost


def test_two_events_keep_the_fixed_limit() -> None:
    assert learn_warnings([machine(3)], TERMS).name == FIXED


def test_policy_decides_the_same_in_replay_and_tick_by_tick() -> None:
    learned, history = learn_warnings([machine(seed) for seed in range(2)], TERMS), machine(8)
    part = MachineHistory("so far", history.readings[:300], history.events[:1], 100)
    assert (learned.wants(history)[:300] == learned.wants(part)).all()


def test_features_use_no_later_ticks() -> None:
    history = machine(1)
    part = MachineHistory("so far", history.readings[:200], history.events[:1], 100)
    assert tick_features(history)[:200] == pytest.approx(tick_features(part))


def test_constant_sensors_have_no_distance() -> None:
    assert (chart_score(quiet(), 5.0) == 0).all()


def test_histories_without_an_event_are_refused() -> None:
    with pytest.raises(HistoryInvalid, match="no event"):
        learn_warnings([quiet()], TERMS)


@pytest.mark.parametrize(
    ("events", "normal"),
    [
        (((5, 20),), 10),
        (((50, 60), (55, 70)), 10),
        (((90, 100),), 10),
        (((60, 50),), 10),
        ((), 100),
    ],
)
def test_events_out_of_order_or_place_are_refused(
    events: tuple[tuple[int, int], ...], normal: int
) -> None:
    with pytest.raises(HistoryInvalid):
        MachineHistory("bad", np.zeros((100, 1)), events, normal)


def test_missing_readings_are_refused() -> None:
    with pytest.raises(HistoryInvalid, match="without a reading"):
        MachineHistory("bad", np.full((100, 1), np.nan), (), 10)


@pytest.mark.parametrize("terms", [(0.0, 1.0, 1), (1.0, float("inf"), 1), (1.0, 1.0, 0)])
def test_impossible_terms_are_refused(terms: tuple[float, float, int]) -> None:
    with pytest.raises(HistoryInvalid):
        WarningTerms(*terms)
