"""The probability that a true value lies below a limit, from the errors on held-out rows.

A conformal predictive distribution (Vovk, Nouretdinov, Manokhin and Gammerman 2017): the error of
the next row is one of those seen in the bin of its prediction, where each machine has the weight of
one. The next machine itself takes the share 1 / (machines + 1), half of it at each end. Beyond the
largest errors seen, this share falls exponentially with the mean deviation of the errors: else a
limit far away would be as likely to be passed as one just beyond them.
"""

import msgspec
import numpy as np

from models.decisions.rule import Floats

_GRID = np.linspace(0.0, 1.0, 41)
_MAX_BINS = 5
_MIN_ROWS_PER_BIN = 40
_LEAST_SCALE = 1e-9


class ErrorDistribution(msgspec.Struct, frozen=True):
    """Errors (truth - prediction) by bin of the prediction.

    edges: between the bins, [bins - 1]. quantiles: at equal steps of probability, [bins][steps].
    scales: the mean deviation from the median, [bins]. tail: the share beyond each end.
    """

    edges: tuple[float, ...]
    quantiles: tuple[tuple[float, ...], ...]
    scales: tuple[float, ...]
    tail: float

    def below(self, predicted: Floats, limit: float, widening: Floats | None = None) -> Floats:
        """Return the probability that the true value is below the limit, [rows].

        widening: how many times larger the errors of each row are than those seen, [rows]; None
        for as large.
        """
        bins = np.digitize(predicted, self.edges)
        needed = limit - np.asarray(predicted, dtype=np.float64)
        if widening is not None:
            needed = needed / widening
        found = np.empty(len(needed))
        for number in np.unique(bins):
            rows = bins == number
            found[rows] = self._share_below(int(number), needed[rows])
        return found

    def _share_below(self, number: int, needed: Floats) -> Floats:
        """Return the share of errors of a bin that are below the needed ones, [rows]."""
        quantiles = np.array(self.quantiles[number])
        scale = max(self.scales[number], _LEAST_SCALE * max(1.0, float(np.abs(quantiles).max())))
        low, high = quantiles[0], quantiles[-1]
        inside = self.tail + (1 - 2 * self.tail) * np.interp(needed, quantiles, _GRID)
        under = self.tail * np.exp(np.minimum(needed - low, 0.0) / scale)
        over = 1 - self.tail * np.exp(np.minimum(high - needed, 0.0) / scale)
        return np.asarray(np.where(needed < low, under, np.where(needed > high, over, inside)))


def fit_errors(
    predicted: Floats, truth: Floats, weights: Floats, clusters: int
) -> "ErrorDistribution":
    """Return the distribution of errors on held-out rows, [rows] each.

    weights: of the rows, so that each cluster (machine, block of time) counts as one.
    """
    bins = int(np.clip(len(predicted) // _MIN_ROWS_PER_BIN, 1, _MAX_BINS))
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:-1]))
    bin_of_row = np.digitize(predicted, edges)
    errors = truth - predicted
    rows = [np.flatnonzero(bin_of_row == number) for number in range(len(edges) + 1)]
    chosen = [one if len(one) else np.arange(len(errors)) for one in rows]
    quantiles = [_quantiles(errors[one], weights[one]) for one in chosen]
    scales = [
        float(np.average(np.abs(errors[one] - found[len(_GRID) // 2]), weights=weights[one]))
        for one, found in zip(chosen, quantiles, strict=True)
    ]
    return ErrorDistribution(
        tuple(float(edge) for edge in edges), tuple(quantiles), tuple(scales), 0.5 / (clusters + 1)
    )


def _quantiles(errors: Floats, weights: Floats) -> tuple[float, ...]:
    """Return the weighted quantiles of errors at the steps of the grid."""
    order = np.argsort(errors)
    ordered, share = errors[order], weights[order] / weights.sum()
    middle = np.cumsum(share) - share / 2
    return tuple(float(value) for value in np.interp(_GRID, middle, ordered))
