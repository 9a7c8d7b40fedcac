"""Cross-validation: how far off a baseline is for a month that it has not seen.

Least squares leaves no bias in the days that it was fitted on, and next to none in all months left
out together, as what one is too high the others are too low. So each month is left out in turn,
and counts by itself:

    bias of a month = sum over its days of (measured - predicted from the others) / days / mean
    NMBE            = root mean square of the months' biases, each by its days

Pure.
"""

import numpy as np

from billing.outcomes.measurement.noise import Days, Floats

_MONTH = 30
_FEWEST = 2  # or nothing could be left out


def monthly_bias(values: Floats, columns: Floats, days: Days) -> float:
    """The root mean square of the months' biases, in the quantity's unit."""
    months = _months(days)
    squares = 0.0
    for month in np.unique(months):
        out = months == month
        effects = np.linalg.lstsq(columns[~out], values[~out])[0]
        apart = float((values[out] - columns[out] @ effects).mean())
        squares += int(out.sum()) * apart**2
    return float(np.sqrt(squares / len(days)))


def _months(days: Days) -> Days:
    """Parts of equal length, of about a month, by their numbers."""
    since = days - days[0]
    whole = int(since[-1]) + 1
    months: Days = since * max(_FEWEST, round(whole / _MONTH)) // whole
    return months
