"""How far columns are from those of the training machines: intervals are widened by it."""

import msgspec
import numpy as np
import pytest

from models.series.life.distance import LifeDistance, fit_column_course, fit_distance

LIFE = np.tile(np.arange(100.0)[::-1], 4)
MACHINES = np.repeat(np.arange(4), 100)


def columns_at(life: np.ndarray) -> np.ndarray:
    """A column that falls with the life, and one that stays."""
    return np.stack([-life / 50, np.zeros(len(life))], axis=1)


def distance(weights: tuple[float, float] = (1.0, 1.0)) -> LifeDistance:
    """Of machines whose columns are off by .1 in turn upwards and downwards."""
    signs = np.where(MACHINES % 2 == 0, 0.1, -0.1)[:, np.newaxis]
    course = fit_column_course(columns_at(LIFE) + signs, LIFE)
    return fit_distance(course, np.repeat(signs, 2, axis=1), MACHINES, np.array(weights))


def test_course_follows_the_columns() -> None:
    course = fit_column_course(columns_at(LIFE), LIFE)
    life = np.array([30.0, 60.0])
    assert np.abs(course.departures(columns_at(life), life)).max() < 0.15


def test_machine_as_near_as_usual_has_its_interval() -> None:
    life = np.array([50.0])
    assert distance().widening(columns_at(life) + 0.05, life)[0] == 1.0


def test_machine_that_is_farther_has_a_wider_one() -> None:
    life = np.array([50.0, 50.0])
    found = distance().widening(columns_at(life) + np.array([[0.5], [1.0]]), life)
    assert 3 < found[0] < found[1] < 13


def test_column_without_weight_or_value_does_not_count() -> None:
    life = np.array([50.0])
    readings = columns_at(life) + np.array([[0.0, 5.0]])
    assert distance((1.0, 0.0)).widening(readings, life)[0] == pytest.approx(1.0, abs=0.2)
    readings[0, 1] = np.nan
    assert distance().widening(readings, life)[0] == pytest.approx(1.0, abs=0.2)


def test_machine_counts_as_one_however_many_rows_it_has() -> None:
    machines = np.repeat([0, 1], [300, 20])
    departures = np.where(machines == 0, 0.1, 0.7)[:, np.newaxis]
    course = fit_column_course(np.zeros((2, 1)), np.array([0.0, 1.0]))
    found = fit_distance(course, departures, machines, np.ones(1))
    assert found.usual[0] == pytest.approx(0.5)


def test_distance_is_the_same_after_its_artefact() -> None:
    found = distance()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=LifeDistance) == found
