"""Forecasts without fitting: the last value, the last season, the mean of the last seasons."""

import numpy as np

from models.forecasting.grid import Floats

# Of seasons that are averaged: more would blur a plant that changes.
MAX_AVERAGED = 6


def seasonal_naive(history: Floats, season: int, horizon: int) -> Floats:
    """Return the last season repeated, [windows, horizon]; with a season of 1 the last value."""
    steps = np.arange(horizon) % season
    return np.asarray(history[:, history.shape[1] - season + steps])


def seasonal_mean(history: Floats, season: int, horizon: int) -> Floats:
    """Return the mean course of the last seasons at the level of the last one.

    It is the seasonal naive forecast with less noise. [windows, horizon]
    """
    count = min(MAX_AVERAGED, history.shape[1] // season)
    seasons = history[:, history.shape[1] - count * season :].reshape(-1, count, season)
    level = seasons.mean(axis=2)
    course = (seasons - level[:, :, np.newaxis]).mean(axis=1) + level[:, -1:]
    return np.asarray(course[:, np.arange(horizon) % season])


def recent_error(history: Floats, season: int) -> Floats:
    """Return the mean absolute change against a season before, over the history, [windows]."""
    return np.asarray(np.abs(history[:, season:] - history[:, :-season]).mean(axis=1))
