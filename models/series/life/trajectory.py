"""The course of the health index up to the failure, and the life at which recent steps fit it.

Trees learn from rows as if they were independent; of five machines they learn little. The course is
one curve: the mean index at each remaining life. A machine's recent block means are compared with
the curve at every life, as observations with the noise of single steps and with an offset of the
machine (a Gaussian likelihood); the prediction is the posterior mean of the capped life.
"""

import msgspec
import numpy as np

from models.series.series import Floats, Indices

# Lives at which the curve is told, evenly from zero to the longest one.
_POINTS = 200
# The curve is smoothed more at long lives, where the index hardly changes: by this part of the
# longest life, and of the life itself.
_LEAST_WIDTH, _WIDTH_SHARE = 0.08, 0.2
# Of few machines, offsets look smaller than they are, and a curve would be trusted too far.
_OFFSET_FACTOR = 2.0
# The last part of the curve, that of machines without wear.
_NEW_SHARE = 0.25
_SMALLEST = 1e-12


class Trajectory(msgspec.Struct, frozen=True):
    """The mean index by remaining life, with its noise.

    lives: ascending from 0, [points]. index: at these lives, [points]. weights: of the lives before
    any reading, [points]: the share of machines that lived so long. step: life that passes in one
    step. noise: variance of a single step around the curve. offset: variance of machines.
    """

    lives: tuple[float, ...]
    index: tuple[float, ...]
    weights: tuple[float, ...]
    step: float
    noise: float
    offset: float

    @property
    def rise(self) -> float:
        """By how much the index of a failing machine is off that of a new one."""
        new = self.index[-round(_NEW_SHARE * len(self.index)) :]
        return abs(self.index[0] - sum(new) / len(new))

    @property
    def spread(self) -> float:
        """The variance of the machines' offsets that was found."""
        return self.offset / _OFFSET_FACTOR

    def predict(
        self, means: Floats, windows: tuple[int, ...], steps: Indices, cap: float
    ) -> Floats:
        """Return the expected capped lives, [rows].

        means: of the index over the last steps of each window, ascending, [rows, windows]. steps:
        how many steps each row has.
        """
        lives = np.array(self.lives)
        scaled = np.zeros((len(means), len(lives)))  # sums of differences over variances
        squares, precision = np.zeros_like(scaled), np.zeros((len(means), 1))
        length, mean, area = np.zeros(len(means)), np.zeros(len(means)), self._areas(steps * 0)
        for at, window in enumerate(windows):
            stop = np.minimum(window, steps)
            width, areas = stop - length, self._areas(stop)
            is_new = width > 0
            block = (stop * means[:, at] - length * mean) / np.where(is_new, width, 1.0)
            expected = (areas - area) / np.where(is_new, width * self.step, 1.0)[:, np.newaxis]
            inverse = np.where(is_new, width / self.noise, 0.0)[:, np.newaxis]
            difference = block[:, np.newaxis] - expected
            scaled += difference * inverse
            squares += difference**2 * inverse
            precision += inverse
            length, mean, area = stop, means[:, at], areas
        # The offset adds the same variance to all blocks of a row (Sherman and Morrison 1950).
        shared = self.offset / (1.0 + self.offset * precision)
        likelihood = -0.5 * (squares - shared * scaled**2)
        posterior = np.array(self.weights) * np.exp(
            likelihood - likelihood.max(axis=1, keepdims=True)
        )
        return np.asarray(posterior @ np.minimum(lives, cap) / posterior.sum(axis=1))

    def _areas(self, ago: Indices) -> Floats:
        """Return the curve's area up to each life so many steps earlier, [rows, lives]."""
        lives, index = np.array(self.lives), np.array(self.index)
        area = np.concatenate([[0.0], np.cumsum(np.diff(lives) * (index[1:] + index[:-1]) / 2)])
        different, of_row = np.unique(ago, return_inverse=True)
        at = lives + (different * self.step)[:, np.newaxis]
        beyond = np.maximum(at - lives[-1], 0.0) * index[-1]
        return np.asarray((np.interp(at, lives, area) + beyond)[of_row])


def fit_trajectory(
    index: Floats, life: Floats, machines: Indices, step: float
) -> Trajectory | None:
    """Return the curve of single steps, [rows] each; None if their index does not vary around it.

    life: uncapped. step: life that passes in one step.
    """
    longest = float(life.max())
    lives = np.linspace(0.0, longest, _POINTS)
    width = _LEAST_WIDTH * longest + _WIDTH_SHARE * lives
    kernel = np.exp(-0.5 * ((life - lives[:, np.newaxis]) / width[:, np.newaxis]) ** 2)
    curve = kernel @ index / kernel.sum(axis=1)
    residuals = index - np.interp(life, lives, curve)
    present, of_row = np.unique(machines, return_inverse=True)
    counts = np.bincount(of_row)
    offsets = np.bincount(of_row, weights=residuals) / counts
    noise = float(np.mean((residuals - offsets[of_row]) ** 2))
    if not noise > _SMALLEST or not step > 0:
        return None
    spread = float(offsets.var(ddof=1)) if len(present) > 1 else noise
    longest_of_machine = np.full(len(present), -np.inf)
    np.maximum.at(longest_of_machine, of_row, life)
    weights = np.mean(longest_of_machine[:, np.newaxis] >= lives, axis=0)
    return Trajectory(
        tuple(lives.tolist()),
        tuple(curve.tolist()),
        tuple(weights.tolist()),
        step,
        noise,
        _OFFSET_FACTOR * spread,
    )
