"""What monitors are evaluated with: the simulated plant, and textbook principal components."""

import numpy as np
import pytest

from models.monitoring.plain_components import fit_plain_components
from models.monitoring.simulated_plant import (
    COLUMNS,
    LOOPS,
    AppliedFaults,
    Fault,
    FaultKind,
    Plant,
    draw_plant,
    simulate,
)
from models.monitoring.trained_calls import call_rows, train_variant
from tests.support.nightly import nightly

ROWS, START = 120, 20


@pytest.fixture(scope="module")
def plant() -> Plant:
    return draw_plant(1)


@pytest.fixture(scope="module")
def courses(plant: Plant) -> np.ndarray:
    """Without a fault, then one of each kind."""
    faults = [
        None,
        Fault(FaultKind.STEP, 1, 20.0),
        Fault(FaultKind.RANDOM, 1, 20.0),
        Fault(FaultKind.DRIFT, 1, 20.0),
    ]
    return simulate(plant, faults, ROWS, START, seed=5)


def test_plant_is_stable_and_has_all_columns(courses: np.ndarray) -> None:
    assert courses.shape == (4, ROWS, COLUMNS)
    assert np.isfinite(courses).all()
    assert np.abs(courses[0, -20:]).mean() < 3 * np.abs(courses[0, :20]).mean()


@nightly
def test_same_seeds_give_the_same_plant_and_courses(plant: Plant) -> None:
    first = simulate(plant, [None], 10, 0, seed=3)
    second = simulate(draw_plant(1), [None], 10, 0, seed=3)
    assert first.tolist() == second.tolist()
    assert first.tolist() != simulate(plant, [None], 10, 0, seed=4).tolist()


def test_analyses_hold_their_value_between_samples(courses: np.ndarray) -> None:
    analysis = courses[0, :, COLUMNS - LOOPS - 1]
    assert np.mean(np.diff(analysis) == 0) == pytest.approx(0.8, abs=0.03)


def test_faults_show_after_their_start(courses: np.ndarray) -> None:
    usual = courses[0].std(axis=0)
    for course in courses[1:]:
        assert np.max(np.abs(course[START + 60 :]).mean(axis=0) / usual) > 4


def test_sticking_valve_waits_for_a_larger_command() -> None:
    applied = AppliedFaults.of([None, Fault(FaultKind.STICKING, 1, 0.5)])
    still, command = np.zeros((2, LOOPS)), np.ones((2, LOOPS))
    assert applied.move(still, command, progress=-0.1).tolist() == command.tolist()
    moved = applied.move(still, command, progress=0.1)
    assert (moved[0, 1], moved[1, 0], moved[1, 1]) == (1.0, 1.0, 0.0)
    assert applied.move(still, 9 * command, progress=0.1)[1, 1] == 9.0


def test_textbook_limits_are_exceeded_by_few_normal_rows() -> None:
    generator = np.random.default_rng(3)
    mixing = generator.normal(0, 1, (4, 12))
    rows = generator.normal(0, 1, (4_000, 4)) @ mixing + generator.normal(0, 0.5, (4_000, 12))
    fitted = fit_plain_components(rows[:2_000])
    assert np.mean(fitted.ratios(rows[2_000:]) > 1) == pytest.approx(0.02, abs=0.012)
    assert np.all(fitted.ratios(rows[2_000:2_010, :] + 20 * np.eye(12)[0]) > 1)


def test_artefact_is_called_with_the_steps_so_far() -> None:
    generator = np.random.default_rng(4)
    normal = generator.normal(0, 1, (300, 3))
    variant = train_variant([normal], 0.01, 4)
    course = np.concatenate([generator.normal(0, 1, (20, 3)), np.full((5, 3), 9.0)])
    alarms = call_rows(variant, course)
    assert len(alarms) == 25
    assert alarms[20:].all()
    assert not alarms[:10].all()
    scores = call_rows(variant, course, start=20, output="score")
    assert len(scores) == 5
    assert np.all(scores > 1)
