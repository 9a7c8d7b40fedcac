"""The seasons of a series: periods of the clock or calendar, verified by autocorrelation."""

from collections.abc import Sequence

import numpy as np

from models.forecasting.grid import HOUR, MINUTE, Floats, Indices
from models.forecasting.pauses import NO_PAUSES, Pauses

MAX_SEASON = 1_500
_MIN_CYCLES = 4
_MAX_VALUES = 20_000
# Of white noise, the autocorrelation is below 0.1 for nearly all series of some hundred values.
_MIN_CORRELATION = 0.15
_MIN_OTHER_CORRELATION = 0.4
_MAX_OTHER_SEASON = 400
# A season's peak may lie a little beside it.
_TOLERANCE = 0.02


def find_seasons(
    series: Sequence[Floats], step: float, pauses: Pauses = NO_PAUSES
) -> tuple[int, ...]:
    """Return the seasons in steps, ascending; none if the series repeat themselves in no period.

    series: gapless values, [steps] each, without the pauses. step: in seconds.
    """
    longest = max(series, key=len)[-_MAX_VALUES:]
    most = min(MAX_SEASON, len(longest) // _MIN_CYCLES)
    found = tuple(
        season
        for season in _clock_seasons(step, pauses)
        if season <= most and _repeats(longest, season, _MIN_CORRELATION)
    )
    other = _other_season(longest, min(_MAX_OTHER_SEASON, most))
    return other if not found or _is_own_cycle(other, found) else found


def _is_own_cycle(other: tuple[int, ...], found: tuple[int, ...]) -> bool:
    """Return whether a machine has a much shorter cycle, of which no clock period is a multiple.

    Many short cycles nearly fit into a shift or a day, which then seem to be seasons.
    """
    return any(2 * one <= found[0] and all(season % one for season in found) for one in other)


def autocorrelation(values: Floats) -> Floats:
    """Return the autocorrelation at each lag from 0, [steps]; 0 for a constant series."""
    centred = values - values.mean()
    size = 2 * len(values)
    spectrum = np.fft.rfft(centred, size)
    covariance = np.fft.irfft(spectrum * np.conj(spectrum), size)[: len(values)]
    covariance = covariance / np.arange(len(values), 0, -1)
    return np.asarray(covariance / covariance[0] if covariance[0] > 0 else np.zeros(len(values)))


def _clock_seasons(step: float, pauses: Pauses) -> list[int]:
    """Return minute, hour, shift, day and week, where they are whole numbers of steps."""
    seasons = [period / step for period in (MINUTE, HOUR, 8 * HOUR, pauses.day, pauses.week)]
    return [round(one) for one in seasons if one >= 2 and abs(one - round(one)) < 1e-6]


def _repeats(values: Floats, season: int, least: float) -> bool:
    """Return whether the autocorrelation has a peak at the season, after removing slow changes."""
    correlations = autocorrelation(_without_slow_changes(values, season))
    if season + 1 >= len(correlations):
        return False
    half = correlations[max(1, season // 2)] if season > 2 else correlations[1]
    beside = correlations[[season - 1, season + 1]].max() if season > 3 else half
    peak = correlations[season]
    return bool(peak >= least and peak > half and peak >= beside - _TOLERANCE)


def _without_slow_changes(values: Floats, season: int) -> Floats:
    """Return a series less its moving average over a season."""
    width = season + 1 - season % 2
    padded = np.pad(values, width // 2, mode="edge")
    sums = np.cumsum(np.concatenate([[0.0], padded]))
    average = (sums[width:] - sums[:-width]) / width
    return np.asarray(values - average)


def _other_season(values: Floats, most: int) -> tuple[int, ...]:
    """Return the period of a machine's own cycle: the first high peak of the autocorrelation."""
    if most < 3:
        return ()
    correlations = autocorrelation(_without_slow_changes(values, most))[: most + 1]
    inner = correlations[1:-1]
    peaks: Indices = 1 + np.flatnonzero(
        (inner > correlations[:-2]) & (inner >= correlations[2:]) & (inner > _MIN_OTHER_CORRELATION)
    )
    peaks = peaks[peaks > 1]
    if not len(peaks):
        return ()
    high = correlations[peaks] >= 0.9 * correlations[peaks].max()
    season = int(peaks[high][0])
    return (season,) if _repeats(values, season, _MIN_OTHER_CORRELATION) else ()
