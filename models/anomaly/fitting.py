"""Fitting a detector on normal hours.

Owns what is learned from them: which sensors are slow, how they move together, and where the alarm
begins.
"""

from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter

from models.anomaly.detector import Detector, Flags, Floats, depart
from models.anomaly.settings import Settings

# Von Neumann's ratio, mean square of successive differences to variance, is 2 for noise and falls
# to 0 for what drifts. The level of a drifting sensor is another one tomorrow.
SLOW = 0.2
# What one reading moves a baseline by at most, in standard deviations of the departures.
BOUND = 5.0
# Of the correlations, towards none, so that two sensors which always agree can be inverted.
SHRINKAGE = 0.01
# Trimming leaves at least this part of a sensor's scale. One that seldom moves in normal hours
# would otherwise be so far off whenever it does that the limit hides all other sensors.
NARROWEST = 0.5


class HoursInvalid(ValueError):
    """These hours cannot be fitted on; the message names the sensors or how many rows it takes."""


def fit(
    stretches: Sequence[Floats], sensors: Sequence[str], settings: Settings | None = None
) -> Detector:
    """A detector for `sensors`, from stretches of normal hours, each [rows, sensors].

    Raises HoursInvalid.
    """
    settings = settings or Settings()
    _require(stretches, sensors, settings)
    return fitted(stretches, sensors, settings)


def fitted(stretches: Sequence[Floats], sensors: Sequence[str], settings: Settings) -> Detector:
    """The same of however few rows, to measure how many it takes (few_rows.py)."""
    level, slow = np.concatenate(stretches).mean(axis=0), _slow(stretches)
    weight, baseline_weight = 1.0 / settings.memory, 1.0 / settings.shortest
    weights = np.where(slow, baseline_weight, 0.0)
    unbounded = _departures(stretches, level, weights, np.full(level.shape, np.inf))
    bound = BOUND * np.concatenate(unbounded).std(axis=0)
    departures = _departures(stretches, level, weights, bound)
    centre = np.concatenate(departures).mean(axis=0)
    averages = np.concatenate([_averages(one - centre, weight) for one in departures])
    whitening = _whitening(averages, settings.trimmed)
    limit = settings.limit(np.linalg.norm(averages @ whitening, axis=1))
    return Detector(
        tuple(sensors), weight, baseline_weight, level, slow, bound, centre, whitening / limit
    )


def _require(stretches: Sequence[Floats], sensors: Sequence[str], settings: Settings) -> None:
    rows, needed = sum(map(len, stretches)), settings.rows_needed(len(sensors))
    if rows < needed:
        raise HoursInvalid(
            f"{rows} rows of normal hours are too few to learn from; {len(sensors)} sensors take "
            f"at least {needed}."
        )
    if not all(np.isfinite(one).all() for one in stretches):
        raise HoursInvalid("A reading is not a finite number.")
    moves = np.any([np.ptp(one, axis=0) > 0 for one in stretches], axis=0)
    if still := [name for name, moving in zip(sensors, moves, strict=True) if not moving]:
        raise HoursInvalid(
            f"{', '.join(map(repr, still))} never changed within a stretch, so nothing says how "
            "far from normal another value is. Leave such a sensor out, or give hours in which it "
            "moves."
        )


def _slow(stretches: Sequence[Floats]) -> Flags:
    """Of each sensor, whether it drifts. Differences are taken within stretches only."""
    variance = np.concatenate(stretches).var(axis=0)
    differences = np.concatenate([np.diff(one, axis=0) for one in stretches])
    return np.asarray((differences**2).mean(axis=0) < SLOW * variance)


def _departures(
    stretches: Sequence[Floats], level: Floats, weights: Floats, bound: Floats
) -> list[Floats]:
    """Each stretch by itself, as a detector would see it that starts there."""
    return [
        depart(one[np.newaxis], np.where(weights > 0, one[:1], level), weights, bound)[0][0]
        for one in stretches
    ]


def _averages(departures: Floats, weight: float) -> Floats:
    return np.asarray(lfilter([weight], [1.0, weight - 1.0], departures, axis=0))


def _whitening(averages: Floats, trimmed: float) -> Floats:
    """What makes of an average departure a vector as long as its Mahalanobis distance, [S, S].

    Learned twice, the second time without the `trimmed` share that lies farthest: the excursions of
    normal hours shall set the limit, but not what is held to be how the sensors move together.
    """
    scale = _scale(averages)
    distances = np.linalg.norm(averages @ _inverse_root(averages, scale), axis=1)
    kept = averages[distances <= np.quantile(distances, 1.0 - trimmed)]
    return _inverse_root(kept, np.maximum(_scale(kept), NARROWEST * scale))


def _scale(averages: Floats) -> Floats:
    """How far each sensor's average departs, about no departure at all."""
    return np.asarray(np.sqrt((averages**2).mean(axis=0)))


def _inverse_root(averages: Floats, scale: Floats) -> Floats:
    """Root of the correlations rather than of the covariance, so that each component of the vector
    belongs to one sensor."""
    scaled = averages / scale
    correlations = (1.0 - SHRINKAGE) * scaled.T @ scaled / len(scaled)
    values, vectors = np.linalg.eigh(correlations + SHRINKAGE * np.eye(len(scale)))
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T / scale[:, np.newaxis])
