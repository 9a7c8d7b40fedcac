"""Fit a detector on normal operation: slow sensors, robust covariance and alarm limit."""

from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter

from models.anomaly.detector import Detector, Flags, Floats, departures_from_baseline
from models.anomaly.settings import Settings
from models.sentences import listing, sentence

# A sensor drifts if its von Neumann ratio, the mean square of successive differences over the
# variance, is below this: it is 2 for white noise and tends to 0 for drift. A drifting sensor has
# no constant level to compare with.
DRIFT_RATIO = 0.2
# Clip limit of departures in the baseline, in standard deviations of the departures.
MAX_DEPARTURE_DEVIATIONS = 5.0
# Shrinkage of the correlation matrix towards the identity, which keeps it invertible if two
# sensors are perfectly correlated.
SHRINKAGE = 0.01
# The scale of a sensor after trimming is at least this share of its scale before. Otherwise a
# sensor that rarely moves in normal operation would get such large distances that the alarm limit
# masks all other sensors.
MIN_SCALE_RATIO = 0.5


class HoursInvalid(ValueError):
    """Raised if the normal rows cannot be fitted on; the message names the sensors or row count."""


def fit(
    stretches: Sequence[Floats], sensors: Sequence[str], settings: Settings | None = None
) -> Detector:
    """Fit a detector for `sensors` on gapless stretches of normal operation, each [rows, sensors].

    Raises HoursInvalid.
    """
    settings = settings or Settings()
    _validate_stretches(stretches, sensors, settings)
    return fit_unchecked(stretches, sensors, settings)


def fit_unchecked(
    stretches: Sequence[Floats], sensors: Sequence[str], settings: Settings
) -> Detector:
    """Fit a detector without the minimum number of rows, to measure that minimum (few_rows.py)."""
    level, slow = np.concatenate(stretches).mean(axis=0), _drifting_sensors(stretches)
    weight, baseline_weight = 1.0 / settings.memory, 1.0 / settings.min_stretch_rows
    weights = np.where(slow, baseline_weight, 0.0)
    unbounded = _departures_by_stretch(stretches, level, weights, np.full(level.shape, np.inf))
    bound = MAX_DEPARTURE_DEVIATIONS * np.concatenate(unbounded).std(axis=0)
    departures = _departures_by_stretch(stretches, level, weights, bound)
    centre = np.concatenate(departures).mean(axis=0)
    averages = np.concatenate(
        [_moving_averages(departure - centre, weight) for departure in departures]
    )
    whitening = _robust_whitening(averages, settings.trimmed)
    limit = settings.alarm_limit(np.linalg.norm(averages @ whitening, axis=1))
    return Detector(
        tuple(sensors), weight, baseline_weight, level, slow, bound, centre, whitening / limit
    )


def _validate_stretches(
    stretches: Sequence[Floats], sensors: Sequence[str], settings: Settings
) -> None:
    """Raise HoursInvalid for too few rows, non-finite readings or constant sensors."""
    rows, required = sum(map(len, stretches)), settings.min_fit_rows(len(sensors))
    if rows < required:
        raise HoursInvalid(
            sentence(
                "{rows} rows of normal operation are too few for training; {count} "
                "sensors need at least {required} rows.",
                rows=rows,
                count=len(sensors),
                required=required,
            )
        )
    if not all(np.isfinite(stretch).all() for stretch in stretches):
        raise HoursInvalid(sentence("A reading is not a finite number."))
    has_moved = np.any([np.ptp(stretch, axis=0) > 0 for stretch in stretches], axis=0)
    if constant_sensors := [
        name for name, moving in zip(sensors, has_moved, strict=True) if not moving
    ]:
        raise HoursInvalid(
            sentence(
                "{names} never changed within a segment, so no deviation can be "
                "assessed. Remove the sensor, or add data in which it changes.",
                names=listing(list(map(repr, constant_sensors))),
            )
        )


def _drifting_sensors(stretches: Sequence[Floats]) -> Flags:
    """Return whether each sensor drifts, by its von Neumann ratio within stretches, [sensors]."""
    variance = np.concatenate(stretches).var(axis=0)
    differences = np.concatenate([np.diff(stretch, axis=0) for stretch in stretches])
    return np.asarray((differences**2).mean(axis=0) < DRIFT_RATIO * variance)


def _departures_by_stretch(
    stretches: Sequence[Floats], level: Floats, weights: Floats, bound: Floats
) -> list[Floats]:
    """Return each stretch's departures from the baseline, scored from the stretch's start."""
    return [
        departures_from_baseline(
            stretch[np.newaxis], np.where(weights > 0, stretch[:1], level), weights, bound
        )[0][0]
        for stretch in stretches
    ]


def _moving_averages(departures: Floats, weight: float) -> Floats:
    """Return the EWMA of departures, [rows, sensors]."""
    return np.asarray(lfilter([weight], [1.0, weight - 1.0], departures, axis=0))


def _robust_whitening(averages: Floats, trimmed: float) -> Floats:
    """Fit the whitening matrix of average departures, [sensors, sensors], with trimming.

    The norm of a whitened vector is its Mahalanobis distance. The matrix is fitted twice, the
    second time without the `trimmed` share with the largest distances: excursions in normal
    operation count for the alarm limit, but must not distort the covariance.
    """
    scale = _root_mean_square(averages)
    distances = np.linalg.norm(averages @ _inverse_square_root(averages, scale), axis=1)
    inliers = averages[distances <= np.quantile(distances, 1.0 - trimmed)]
    return _inverse_square_root(
        inliers, np.maximum(_root_mean_square(inliers), MIN_SCALE_RATIO * scale)
    )


def _root_mean_square(averages: Floats) -> Floats:
    """Return the root mean square of each sensor's average departure, [sensors]."""
    return np.asarray(np.sqrt((averages**2).mean(axis=0)))


def _inverse_square_root(averages: Floats, scale: Floats) -> Floats:
    """Return the inverse square root of the shrunk correlation matrix, divided by the scales.

    It is taken of the correlations, not of the covariance, so that each component of a whitened
    vector belongs to one sensor.
    """
    scaled = averages / scale
    correlations = (1.0 - SHRINKAGE) * scaled.T @ scaled / len(scaled)
    values, vectors = np.linalg.eigh(correlations + SHRINKAGE * np.eye(len(scale)))
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T / scale[:, np.newaxis])
