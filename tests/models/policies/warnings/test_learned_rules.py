"""Learned rules: choice by left-out cost, calibration, the file, and what a tick is told."""

import numpy as np
import pytest

from models.policies.warnings.calibration import calibrate
from models.policies.warnings.candidates import FIXED, fit_candidates
from models.policies.warnings.history import Floats, HistoryInvalid, MachineHistory, WarningTerms
from models.policies.warnings.learned import choose_policy
from models.policies.warnings.parts import folds_of, kept_histories, parts_of
from models.policies.warnings.replay import replay_warnings, warning_ticks
from models.policies.warnings.rule_file import read_rule, write_rule
from models.policies.warnings.selection import measure_selection
from models.policies.warnings.thresholds import exposure_of, threshold_table
from models.policies.warnings.training import TrainedRule, train_rule
from tests.support.nightly import nightly

TERMS = WarningTerms(miss=3.0, false_alarm=1.0, hold=10)
NAMES = ("a", "b")


def machine(events: int, shift: float = 0.4, seed: int = 3) -> MachineHistory:
    """Two sensors that move together in normal operation, and apart in an event."""
    random, ticks = np.random.default_rng(seed), 150 + 120 * events
    common = random.normal(0, 1, ticks)
    readings = np.stack([common, common], axis=1) + random.normal(0, 0.05, (ticks, 2))
    spans = tuple((180 + 120 * number, 219 + 120 * number) for number in range(events))
    for first, last in spans:
        readings[first : last + 1, 0] += shift
    return MachineHistory("machine", readings, spans, 100)


@pytest.fixture(scope="module")
def trained() -> TrainedRule:
    """A rule of a machine with seven events."""
    return train_rule([machine(7)], NAMES, TERMS)


def test_table_counts_what_replays_count() -> None:
    history, random = machine(3), np.random.default_rng(5)
    score = random.normal(size=history.ticks)
    table = threshold_table([score], [history], 15)
    for at in (0, 20, 40, len(table.values) - 1):
        flags = np.zeros(history.ticks, dtype=bool)
        flags[warning_ticks(score > table.values[at], history.normal, 15)] = True
        found = replay_warnings(flags, history, 15)
        assert (found.missed, found.false_alarms) == (
            table.missed[0, at],
            table.false_alarms[0, at],
        )


def test_parts_of_a_long_history_cover_it_once() -> None:
    history = machine(4)
    parts = parts_of([history])
    ticks = np.concatenate([part.rows[history.normal :] for part in parts])
    assert ticks.tolist() == list(range(history.normal, history.ticks))
    assert [len(part.history.events) for part in parts] == [1, 1, 1, 1]
    (kept,) = kept_histories([history], parts, 0)
    assert len(kept.events) == 3


def test_many_events_are_left_out_in_groups() -> None:
    assert len(np.unique(folds_of(parts_of([machine(16)])))) == 5


def test_unseen_event_costs_less_the_more_the_machine_is_warned_of() -> None:
    exposure = exposure_of([machine(4)])
    costs = exposure.cost(np.array([[0, 5, 50]]), TERMS)
    assert costs[0] == pytest.approx(3.0 * 4 / 5)
    assert (np.diff(costs) < 0).all()


def test_fixed_limit_is_kept_if_it_costs_no_more() -> None:
    obvious = machine(5, shift=30.0)
    assert choose_policy(fit_candidates([obvious], 10), TERMS).name == FIXED


def test_single_event_keeps_the_fixed_limit() -> None:
    assert choose_policy(fit_candidates([machine(1)], 10), TERMS).name == FIXED


def test_choice_is_measured_without_the_left_out_part() -> None:
    found = fit_candidates([machine(7)], 10)
    assert measure_selection(found, TERMS).shape == (7, 2)


def test_learned_rule_costs_less_than_the_fixed_limit_on_left_out_events(
    trained: TrainedRule,
) -> None:
    assert trained.evaluation.is_better
    assert trained.evaluation.kind == "chart"
    assert trained.evaluation.learned.cost < trained.evaluation.fixed.cost
    assert trained.evaluation.saving.value > 0


def test_calibration_rises_with_the_score() -> None:
    history = machine(6)
    score = history.in_event + np.random.default_rng(1).normal(0, 0.3, history.ticks)
    found = calibrate([score], [history], 10)
    low, high = found.of(np.array([score.min(), score.max()]))
    assert 0 < low < 0.2 < 0.6 < high < 1
    assert (np.diff(found.probabilities) >= 0).all()


def test_file_gives_the_same_rule_for_its_owner_only(trained: TrainedRule) -> None:
    content = write_rule(trained.rule, "acct_1/ast_1")
    rule, readings = read_rule(content, "acct_1/ast_1"), machine(7).readings
    before, after = trained.rule.series(readings[100:400]), rule.series(readings[100:400])
    assert before[0].tolist() == after[0].tolist()
    assert before[1].tolist() == after[1].tolist()
    with pytest.raises(HistoryInvalid, match="another account"):
        read_rule(content, "acct_2/ast_1")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": "maas-warning-rule/1", "bound_to": "x"}',
        b'{"format": "maas-warning-rule/1", "bound_to": "x", "sensors": ["a"], "score": {}}',
    ],
)
def test_damaged_files_are_refused(content: bytes) -> None:
    with pytest.raises(HistoryInvalid):
        read_rule(content, "x")


def test_tick_is_told_probability_reasons_and_points_out_of_range(trained: TrainedRule) -> None:
    readings: Floats = machine(7).readings
    quiet, event = trained.rule.signal(readings[100:170]), trained.rule.signal(readings[100:219])
    assert quiet.probability < 0.3 < event.probability
    assert {one.sensor for one in event.reasons} <= set(NAMES)
    assert sum(one.share for one in event.reasons) == pytest.approx(1.0, abs=0.01)
    assert quiet.out_of_range == ()
    odd = np.concatenate([readings[100:170], [[readings[169, 0], 99.0]]])
    assert trained.rule.signal(odd).out_of_range == ("b",)


@nightly
def test_rule_with_trees_explains_itself_by_sensors() -> None:
    trained = train_rule([machine(16, shift=0.25)], NAMES, TERMS)
    assert trained.evaluation.events == 16
    assert {name for name, _ in trained.evaluation.candidates} >= {"trees", "chart", FIXED}
    found = trained.rule.signal(machine(16, shift=0.25).readings[100:219])
    assert {one.sensor for one in found.reasons} <= set(NAMES)


def test_other_number_of_sensors_is_refused(trained: TrainedRule) -> None:
    with pytest.raises(HistoryInvalid, match="column"):
        trained.rule.signal(np.zeros((50, 3)))
