"""Generalised least squares with uncertain autocorrelation: the estimator of all methods.

The share of persistent noise and its decay are unknown, and a year of days identifies them only
roughly; plugging in one estimate makes the standard error too small. Therefore the estimate is
averaged over a grid of noise models, weighted by likelihood:

    weight(noise) ~ restricted likelihood (REML; Patterson and Thompson 1971)
    effect | noise ~ Student's t around the GLS estimate, n - p degrees of freedom
    bound          = quantile of the weighted mixture

This is done over the whole grid and again over the AR(1) models only; the more conservative bound
counts. The first is wider against a baseline year, the second in a switchback. A switchback adds
both variants with the likelihood of all days (`restricted_log_likelihood`), treated days included.
docs/decisions/0017 compares it with Newey-West, prewhitening and other standard errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from billing.outcomes.measurement.noise import DayArray, FloatArray, NoiseModels
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import scipy.special
else:
    scipy = LazyModule("scipy")

_SHARES = np.arange(1, 11) / 10
_RHOS = np.tanh(np.arange(1, 20) * 0.115)  # 0.11 to 0.975, denser where the noise decays slowly
NOISE_GRID = NoiseModels(np.repeat(_SHARES, len(_RHOS)), np.tile(_RHOS, len(_SHARES)))
_BISECTION_STEPS = 80


@dataclass(frozen=True, slots=True)
class PredictionWindow:
    """Reporting days to predict, with their weights in the predicted sum.

    `variance_ratio` is the variance of their noise relative to the baseline's, at least 1.
    """

    days: DayArray
    weights: FloatArray
    variance_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class StudentTMixture:
    """The distribution of an effect: a mixture of Student's t distributions over noise models.

    `weights` has one row per weighting scheme and one column per noise model; bounds come from the
    most conservative row.
    """

    weights: FloatArray
    centres: FloatArray
    scales: FloatArray
    degrees_of_freedom: int
    rho: float  # mean autocorrelation of the noise from one day to the next

    @property
    def mean(self) -> float:
        """Return the mean of the mixture over all noise models."""
        return float(self.weights[0] @ self.centres)

    @property
    def standard_error(self) -> float:
        """Return the standard error, including the spread between the noise models."""
        deviations = self.centres - self.mean
        return float(np.sqrt(self.weights @ (self.scales**2 + deviations**2)).max())

    def quantile(self, probability: float) -> float:
        """Return the quantile of the effect, the most conservative of the weighting schemes.

        That is the lowest of the rows below 0.5 and the highest from 0.5 on.
        """
        quantiles = [self._quantile(weights, probability) for weights in self.weights]
        return min(quantiles) if probability < 0.5 else max(quantiles)

    def _quantile(self, weights: FloatArray, probability: float) -> float:
        """Return the quantile of one mixture, by bisection."""
        positive = weights > 0
        weights, centres, scales = weights[positive], self.centres[positive], self.scales[positive]
        half_range = 1e3 * self.standard_error
        low, high = self.mean - half_range, self.mean + half_range
        for _ in range(_BISECTION_STEPS):
            middle = (low + high) / 2
            below = scipy.special.stdtr(self.degrees_of_freedom, (middle - centres) / scales)
            low, high = (low, middle) if weights @ below > probability else (middle, high)
        return (low + high) / 2


def estimate_effect(
    values: FloatArray,
    columns: FloatArray,
    days: DayArray,
    contrast: FloatArray,
    window: PredictionWindow | None = None,
    extra_log_likelihoods: Sequence[FloatArray] = (),
) -> StudentTMixture:
    """Estimate `contrast` times the GLS coefficients, averaged over noise models by likelihood.

    Regresses `values` (n) on `columns` (n by p, full rank) at n ascending `days`. With a `window`
    the result is the best linear unbiased prediction (Goldberger 1962) of its weighted sum: it uses
    the residuals of neighbouring days, and includes the window's own noise in the error.
    `extra_log_likelihoods` are further weightings of the noise models, from more days
    (`restricted_log_likelihood`); the most conservative bound counts.
    """
    n, p = columns.shape
    scaled, triangular, scale = _orthonormalize(values, columns)
    window_covariance = np.zeros((len(NOISE_GRID.rho), n, 1))
    window_variance = np.zeros(len(NOISE_GRID.rho))
    if window is not None:
        window_covariance[:, :, 0] = NOISE_GRID.cross_covariance(days, window.weights, window.days)
        window_variance = window.variance_ratio * NOISE_GRID.weighted_sum_variance(
            window.days, window.weights
        )
    scaled = np.broadcast_to(scaled, (len(NOISE_GRID.rho), n, p + 1))
    whitened, log_determinant = NOISE_GRID.whiten(
        np.concatenate([scaled, window_covariance], axis=2), days
    )
    products = whitened.transpose(0, 2, 1) @ whitened
    inner, outer, reached = products[:, :p, :p], products[:, :p, p:], products[:, :, p + 1]
    adjusted_contrast = np.linalg.solve(triangular.T, contrast) - reached[:, :p]
    solved = np.linalg.solve(
        inner, np.concatenate([outer[:, :, :1], adjusted_contrast[:, :, None]], axis=2)
    )
    squares = products[:, p, p] - (outer[:, :, 0] * solved[:, :, 0]).sum(axis=1)
    weights = _mixture_weights(
        _reml_log_likelihood(squares, inner, log_determinant, n - p), *extra_log_likelihoods
    )
    centres: FloatArray = scale * (
        (adjusted_contrast * solved[:, :, 0]).sum(axis=1) + reached[:, p]
    )
    variances = (
        (adjusted_contrast * solved[:, :, 1]).sum(axis=1) + window_variance - reached[:, p + 1]
    )
    scales: FloatArray = scale * np.sqrt(variances * squares / (n - p))
    return StudentTMixture(
        weights, centres, scales, n - p, float(weights[0] @ (NOISE_GRID.share * NOISE_GRID.rho))
    )


def restricted_log_likelihood(
    values: FloatArray, columns: FloatArray, days: DayArray
) -> FloatArray:
    """Return the restricted log likelihood (REML) of the values under each noise model."""
    n, p = columns.shape
    scaled, _, _ = _orthonormalize(values, columns)
    whitened, log_determinant = NOISE_GRID.whiten(scaled[None], days)
    products = whitened.transpose(0, 2, 1) @ whitened
    inner, outer = products[:, :p, :p], products[:, :p, p:]
    explained = (outer * np.linalg.solve(inner, outer)).sum(axis=(1, 2))
    return _reml_log_likelihood(products[:, p, p] - explained, inner, log_determinant, n - p)


def _orthonormalize(
    values: FloatArray, columns: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Return the columns' Q joined with the values at unit norm, the columns' R, and the norm."""
    basis, triangular = np.linalg.qr(columns)
    scale = float(np.sqrt(values @ values))
    return np.column_stack([basis, values / scale]), triangular, scale


def _reml_log_likelihood(
    squares: FloatArray, inner: FloatArray, log_determinant: FloatArray, degrees_of_freedom: int
) -> FloatArray:
    """Return the REML log likelihood per noise model, up to a constant."""
    log_likelihood: FloatArray = (
        -(degrees_of_freedom * np.log(squares) + log_determinant + np.linalg.slogdet(inner)[1]) / 2
    )
    return log_likelihood


def _mixture_weights(*log_likelihoods: FloatArray) -> FloatArray:
    """Return two rows of weights per likelihood: over all noise models, and over AR(1) only."""
    ar1_only = [
        np.where(NOISE_GRID.share == 1, log_likelihood, -np.inf)
        for log_likelihood in log_likelihoods
    ]
    return np.stack(
        [
            _normalize(log_likelihood)
            for pair in zip(log_likelihoods, ar1_only, strict=True)
            for log_likelihood in pair
        ]
    )


def _normalize(log_likelihood: FloatArray) -> FloatArray:
    """Convert log likelihoods to weights that sum to 1."""
    likelihoods: FloatArray = np.exp(log_likelihood - log_likelihood.max())
    weights: FloatArray = likelihoods / likelihoods.sum()
    return weights
