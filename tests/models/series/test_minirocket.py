"""MiniRocket against a convolution written out, and its kernels and dilations."""

import numpy as np
import pytest

from models.series import minirocket
from models.series.minirocket import (
    KERNELS,
    MiniRocket,
    convolve,
    dilations,
    fit_minirocket,
    shift,
)


def test_there_are_84_kernels_whose_weights_add_up_to_zero() -> None:
    weights = [[2 if at in kernel else -1 for at in range(9)] for kernel in KERNELS]
    assert len(set(map(tuple, weights))) == 84
    assert {sum(one) for one in weights} == {0}


@pytest.mark.parametrize(("kernel", "dilation"), [(0, 1), (41, 2), (83, 4)])
def test_convolution_is_that_of_dilated_weights(kernel: int, dilation: int) -> None:
    values = np.random.default_rng(1).normal(0, 1, 40).astype(np.float32)
    dilated = np.zeros(8 * dilation + 1)
    dilated[::dilation] = [2 if at in KERNELS[kernel] else -1 for at in range(9)]
    shifted = shift(values[np.newaxis], dilation)
    found = convolve(shifted, shifted.sum(axis=0), [kernel])[0, 0]
    assert np.allclose(found, np.correlate(values, dilated, mode="same"), atol=1e-4)


def test_dilations_span_the_window() -> None:
    assert dilations(9) == (1,)
    assert dilations(4) == (1,)
    assert (min(dilations(129)), max(dilations(129))) == (1, 16)


def fitted(columns: int) -> tuple[MiniRocket, np.ndarray]:
    windows = np.random.default_rng(2).normal(0, 1, (20, 50, columns)).astype(np.float32)
    rocket = fit_minirocket(windows)
    return rocket, rocket.transform(windows)


def test_features_are_shares_and_belong_to_columns_in_equal_parts() -> None:
    rocket, features = fitted(3)
    assert features.shape == (20, len(rocket.owners))
    assert features.min() >= 0
    assert features.max() <= 1
    counts = np.bincount(rocket.owners)
    assert len(counts) == 3
    assert counts.max() < 1.5 * counts.min()


def test_column_changes_only_its_own_features() -> None:
    rocket, features = fitted(2)
    windows = np.random.default_rng(2).normal(0, 1, (20, 50, 2)).astype(np.float32)
    windows[:, :, 1] += np.arange(50) % 7
    changed = np.abs(rocket.transform(windows) - features).max(axis=0) > 0
    owners = np.array(rocket.owners)
    assert not changed[owners == 0].any()
    assert changed[owners == 1].mean() > 0.5


def test_windows_are_transformed_alike_in_blocks_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rocket, features = fitted(2)
    windows = np.random.default_rng(2).normal(0, 1, (20, 50, 2)).astype(np.float32)
    alone = np.concatenate([rocket.transform(window[np.newaxis]) for window in windows])
    monkeypatch.setattr(minirocket, "_BLOCK_VALUES", 84 * 50 * 3)
    assert np.array_equal(rocket.transform(windows), features)
    assert np.array_equal(alone, features)
