"""MiniRocket features of windows (Dempster, Schmidt and Webb 2021), each of one column.

84 kernels of length 9 with six weights of -1 and three of 2, at several dilations. A feature is the
share of steps at which the convolution is above a bias (PPV); biases are quantiles of convolutions
of training windows. The paper sums several columns under a kernel; here each kernel sees one, so
that its contribution can be told under that column's name.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import msgspec
import numpy as np
from numpy.typing import NDArray

Windows = NDArray[np.float32]
"""[windows, steps, columns], standardized, without missing values."""

KERNEL_LENGTH = 9
# The positions of the three weights of 2.
KERNELS = tuple(combinations(range(KERNEL_LENGTH), 3))
_MAX_DILATIONS = 6
_BIASES = 2
_GOLDEN_RATIO = (np.sqrt(5.0) + 1.0) / 2.0
_SEED = 13
_BLOCK_VALUES = 1 << 21


class Convolution(msgspec.Struct, frozen=True):
    """A kernel at a dilation on a column. padded: whether ends are padded with zeros."""

    kernel: int
    dilation: int
    column: int
    padded: bool
    biases: tuple[float, ...]


class MiniRocket(msgspec.Struct, frozen=True):
    """The fitted transform."""

    convolutions: tuple[Convolution, ...]

    @property
    def owners(self) -> tuple[int, ...]:
        """The column of each feature."""
        return tuple(one.column for one in self.convolutions for _ in one.biases)

    def transform(self, windows: Windows) -> NDArray[np.float32]:
        """Return the share of steps above each bias, [windows, features]."""
        counts = [len(one.biases) for one in self.convolutions]
        first_features = np.cumsum([0, *counts[:-1]])
        features = np.empty((len(windows), sum(counts)), dtype=np.float32)
        for (dilation, column), groups in self._groups().items():
            for block in _blocks(len(windows), windows.shape[1]):
                shifted = shift(windows[block, :, column], dilation)
                total = shifted.sum(axis=0)
                for numbers in groups:
                    members = [self.convolutions[number] for number in numbers]
                    shares = _shares_above(shifted, total, members)
                    for at in range(shares.shape[1]):
                        features[block, first_features[numbers] + at] = shares[:, at].T
        return features

    def _groups(self) -> dict[tuple[int, int], list[list[int]]]:
        """Return the convolutions by dilation and column, which share their shifted windows.

        Those of a list are padded alike and have as many biases, so they are computed at once: a
        call of one window is as fast as its arrays are few.
        """
        groups: dict[tuple[int, int], dict[tuple[bool, int], list[int]]] = {}
        for number, one in enumerate(self.convolutions):
            alike = groups.setdefault((one.dilation, one.column), defaultdict(list))
            alike[one.padded, len(one.biases)].append(number)
        return {shared: list(alike.values()) for shared, alike in groups.items()}


def fit_minirocket(windows: Windows) -> MiniRocket:
    """Return the transform with biases from training windows."""
    generator = np.random.default_rng(_SEED)
    count, steps, columns = windows.shape
    fitted: list[Convolution] = []
    quantile = 0
    # Each column gets its share of the kernels, in random order.
    order = generator.permutation(np.arange(len(KERNELS) * _MAX_DILATIONS) % columns)
    for place, dilation in enumerate(dilations(steps)):
        for kernel in range(len(KERNELS)):
            column = int(order[len(fitted)])
            example = windows[generator.integers(count), :, column][np.newaxis]
            shifted = shift(example, dilation)
            padded = (place + kernel) % 2 == 0
            one = Convolution(kernel, dilation, column, padded, ())
            found = _trim(convolve(shifted, shifted.sum(axis=0), [kernel]), one)
            levels = [(quantile + at + 1) * _GOLDEN_RATIO % 1.0 for at in range(_BIASES)]
            quantile += _BIASES
            biases = tuple(float(value) for value in np.quantile(found, levels))
            fitted.append(msgspec.structs.replace(one, biases=biases))
    return MiniRocket(tuple(fitted))


def dilations(steps: int) -> tuple[int, ...]:
    """Return the dilations for windows of so many steps, from 1 to where a kernel spans it."""
    largest = np.log2(max(1.0, (steps - 1) / (KERNEL_LENGTH - 1)))
    spaced = np.logspace(0, largest, _MAX_DILATIONS, base=2.0)
    return tuple(int(one) for one in np.unique(spaced.astype(np.intp)))


def shift(values: NDArray[np.float32], dilation: int) -> NDArray[np.float32]:
    """Return values [windows, steps] shifted to each kernel position, [9, windows, steps]."""
    steps = values.shape[1]
    shifted = np.zeros((KERNEL_LENGTH, *values.shape), dtype=np.float32)
    for position in range(KERNEL_LENGTH):
        offset = (position - KERNEL_LENGTH // 2) * dilation
        if abs(offset) >= steps:
            continue
        if offset >= 0:
            shifted[position, :, : steps - offset] = values[:, offset:]
        else:
            shifted[position, :, -offset:] = values[:, :offset]
    return shifted


def convolve(
    shifted: NDArray[np.float32], total: NDArray[np.float32], kernels: Sequence[int]
) -> NDArray[np.float32]:
    """Return convolutions, [kernels, windows, steps]: three weights of 2 and six of -1 each."""
    first, second, third = np.array([KERNELS[kernel] for kernel in kernels]).T
    return np.asarray(3 * (shifted[first] + shifted[second] + shifted[third]) - total)


def _shares_above(
    shifted: NDArray[np.float32], total: NDArray[np.float32], members: Sequence[Convolution]
) -> NDArray[np.float64]:
    """Return the share of steps above each bias, [convolutions, biases, windows].

    The convolutions have one dilation and column, are padded alike and have as many biases.
    """
    found = _trim(convolve(shifted, total, [one.kernel for one in members]), members[0])
    biases = np.array([one.biases for one in members], dtype=np.float32)
    above = [np.count_nonzero(found > bias[:, None, None], axis=2) for bias in biases.T]
    return np.asarray(np.stack(above, axis=1) / found.shape[2], dtype=np.float64)


def _blocks(windows: int, steps: int) -> Iterator[slice]:
    """Return slices of the windows whose convolutions fit into some megabytes."""
    size = max(1, _BLOCK_VALUES // (len(KERNELS) * steps))
    for start in range(0, windows, size):
        yield slice(start, start + size)


def _trim(found: NDArray[np.float32], one: Convolution) -> NDArray[np.float32]:
    """Return convolutions without the steps at which kernels hang over, unless they are padded."""
    margin = (KERNEL_LENGTH // 2) * one.dilation
    if one.padded or found.shape[2] <= 2 * margin:
        return found
    return found[:, :, margin:-margin]
