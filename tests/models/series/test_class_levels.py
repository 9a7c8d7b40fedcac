"""Classes in an order: when names tell one, and the level by which they are told."""

import numpy as np
import pytest

from models.series.class_levels import find_order, fit_levels


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
