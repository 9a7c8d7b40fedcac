"""Classes in an order: when names tell one, and the level by which they are told."""

import numpy as np
import pytest

from models.series.class_data import WindowSet
from models.series.class_fitting import inner_split
from models.series.class_levels import find_order, fit_levels
from models.tabular.data import Goal, Target


@pytest.mark.parametrize(
    ("classes", "ranks"),
    [
        (("100 bar", "115 bar", "90 bar"), [1, 2, 0]),
        (("wear -0.5", "wear 0", "wear 2.25"), [0, 1, 2]),
        (("level 2", "level 1", "level 3"), [1, 0, 2]),
        (("ok", "worn", "broken"), None),
        (("pump 1", "pump 2", "valve 3"), None),
        (("stage 1", "stage 01", "stage 2"), None),
        (("1 of 3", "2 of 3", "3 of 3"), None),
        (("0", "1"), None),
    ],
)
def test_order_is_that_of_the_only_number(
    classes: tuple[str, ...], ranks: list[int] | None
) -> None:
    found = find_order(classes)
    assert (None if found is None else found.tolist()) == ranks


def window_set(classes: list[int]) -> WindowSet:
    """One window of each series, in the order of the file."""
    count = len(classes)
    target = Target("state", Goal.CLASS, np.array(classes), None, ("a", "b"))
    return WindowSet(8, np.arange(count), np.full(count, 8), target)


def test_settings_are_chosen_by_a_stretch_of_the_file() -> None:
    split = inner_split(window_set([0, 1] * 50), np.arange(100), 1)
    assert split.held_out.tolist() == list(range(20, 40))
    assert len(split.training) == 80


def test_stretch_that_would_take_a_class_away_is_not_held_out() -> None:
    split = inner_split(window_set([0] * 20 + [1] * 80), np.arange(100), 0)
    assert split.held_out.tolist() != list(range(20))
    assert set(np.isin(split.training, range(20)).tolist()) == {True, False}


def windows(count: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Level and a disturbance in two columns of two features each; classes of three levels."""
    generator = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    disturbance = generator.normal(shift, 1, count)
    level = np.array([1.0, 0.0, 2.0])[classes]
    features = np.stack(
        [level + disturbance, -disturbance, disturbance, level - disturbance], axis=1
    )
    return (features + generator.normal(0, 0.1, features.shape)).astype(np.float32), classes


def test_classes_are_told_under_a_disturbance_that_training_lacks() -> None:
    features, classes = windows(300, 1)
    fitted = fit_levels(features, classes, np.array([1, 0, 2]), (0, 0, 1, 1), 1e-3)
    unseen, truth = windows(300, 2, shift=6.0)
    assert np.mean(fitted.scores(unseen).argmax(axis=1) == truth) > 0.97


def test_class_that_training_lacks_is_never_predicted() -> None:
    features, classes = windows(300, 1)
    known = classes != 1
    fitted = fit_levels(features[known], classes[known], np.array([1, 0, 2]), (0, 0, 1, 1), 1e-3)
    assert set(fitted.scores(features).argmax(axis=1)) == {0, 2}
