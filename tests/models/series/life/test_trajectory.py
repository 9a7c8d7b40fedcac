"""The course of the health index: the life at which recent means fit it."""

import msgspec
import numpy as np
import pytest

from models.series.life.data import build_lives
from models.series.life.model import LifeSettings, fit_model
from models.series.life.rows import build_rows
from models.series.life.trajectory import Trajectory, fit_trajectory
from models.tables.reading import read_table
from models.tables.schema import LIFE_WORDS, SchemaRequest, infer_schema
from tests.support.models.histories import histories
from tests.support.models.tables import csv

WINDOWS = (4, 8, 16)
STEPS = 100
CAP = 60.0


def courses(offsets: tuple[float, ...], step: float = 1.0) -> Trajectory:
    """A curve of machines whose index falls by 1 in the last 50 steps, with their offsets."""
    generator = np.random.default_rng(1)
    life = np.tile(np.arange(STEPS)[::-1] * step, len(offsets))
    machines = np.repeat(np.arange(len(offsets)), STEPS)
    index = index_at(life / step) + np.array(offsets)[machines]
    fitted = fit_trajectory(index + generator.normal(0, 0.05, len(life)), life, machines, step)
    assert fitted is not None
    return fitted


def index_at(life: np.ndarray) -> np.ndarray:
    return np.asarray(np.minimum(life, 50.0) / 50.0)


def means_at(life: float, steps: int = 30) -> np.ndarray:
    """Means of the index over WINDOWS, of a machine with so many steps."""
    ago = [np.arange(min(window, steps)) for window in WINDOWS]
    return np.array([[index_at(life + one).mean() for one in ago]])


def predict(fitted: Trajectory, life: float, steps: int = 30, scale: float = 1.0) -> float:
    means = means_at(life, steps)
    return float(fitted.predict(means, WINDOWS, np.array([steps]), CAP * scale)[0])


class TestTrajectory:
    @pytest.mark.parametrize("life", [5.0, 20.0])
    def test_worn_machine_has_the_life_of_its_index(self, life: float) -> None:
        assert predict(courses((0.0, 0.01, -0.01)), life) == pytest.approx(life, abs=3)

    def test_machine_without_wear_is_near_the_cap(self) -> None:
        assert predict(courses((0.0, 0.01, -0.01)), 90.0) > 0.9 * CAP

    def test_few_steps_are_enough(self) -> None:
        assert predict(courses((0.0, 0.01, -0.01)), 20.0, steps=5) == pytest.approx(20, abs=6)

    def test_machines_that_differ_are_trusted_less(self) -> None:
        alike, unlike = courses((0.0, 0.01, -0.01)), courses((0.0, 0.4, -0.4))
        assert unlike.offset > 10 * alike.offset
        assert predict(unlike, 5.0) > predict(alike, 5.0) + 2

    def test_life_has_the_unit_of_the_training(self) -> None:
        hours = courses((0.0, 0.01, -0.01), step=2.5)
        assert predict(hours, 20.0, scale=2.5) == pytest.approx(50.0, abs=7)

    def test_prediction_does_not_depend_on_the_other_rows(self) -> None:
        fitted = courses((0.0, 0.05, -0.05))
        means = np.concatenate([means_at(10.0), means_at(40.0, steps=6)])
        together = fitted.predict(means, WINDOWS, np.array([30, 6]), CAP)
        assert together.tolist() == pytest.approx([predict(fitted, 10.0), predict(fitted, 40.0, 6)])

    def test_index_that_never_varies_has_no_course(self) -> None:
        life = np.tile(np.arange(20.0)[::-1], 3)
        machines = np.repeat(np.arange(3), 20)
        assert fit_trajectory(np.zeros(60), life, machines, 1.0) is None

    def test_lives_that_do_not_fall_have_no_course(self) -> None:
        generator = np.random.default_rng(1)
        life = np.tile(np.arange(20.0)[::-1], 3)
        machines = np.repeat(np.arange(3), 20)
        assert fit_trajectory(generator.normal(0, 1, 60), life, machines, 0.0) is None

    def test_course_is_the_same_after_its_artefact(self) -> None:
        fitted = courses((0.0, 0.05, -0.05))
        again = msgspec.msgpack.decode(msgspec.msgpack.encode(fitted), type=Trajectory)
        assert again == fitted


class TestModel:
    def test_life_is_the_mean_of_trees_and_course(self) -> None:
        request = SchemaRequest()
        table = read_table(csv(histories(3)))
        data = build_lives(infer_schema(table, request, target_words=LIFE_WORDS), request)
        rows = build_rows(data)
        every = np.arange(len(rows))
        both = fit_model(rows, every, LifeSettings(45.0, False), 1)
        unlike = fit_model(rows, every, LifeSettings(45.0, False, least_offset=0.5), 1)
        alone = fit_model(rows, every, LifeSettings(45.0, False, with_course=False), 1)
        assert alone.trajectory is None
        assert both.trajectory is not None
        windows = rows.recipe.windows
        means = both.features(rows)[:, : len(windows)].astype(np.float64)
        course = both.trajectory.predict(means, windows, rows.steps, 45.0)
        assert both.predict(rows, every) == pytest.approx((alone.predict(rows, every) + course) / 2)
        assert unlike.trajectory is not None
        assert unlike.trajectory.offset == pytest.approx((0.5 * both.trajectory.rise) ** 2)
        assert unlike.predict(rows, every) != pytest.approx(both.predict(rows, every))
