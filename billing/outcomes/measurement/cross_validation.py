"""Leave-one-month-out cross-validation of a baseline's bias.

Least squares residuals have no mean bias in sample, and held-out biases of different months cancel
in a plain average. Therefore each month is held out in turn and the root mean square is taken:

    bias of a month = sum over its days of (measured - predicted from the others) / days / mean
    NMBE            = root mean square of the monthly biases, weighted by days
"""

import numpy as np

from billing.outcomes.measurement.noise import DayArray, FloatArray

_DAYS_PER_MONTH = 30
_MIN_MONTHS = 2  # at least one month must remain when one is held out


def cross_validated_monthly_bias(values: FloatArray, columns: FloatArray, days: DayArray) -> float:
    """Return the root mean square of the held-out monthly biases, in the unit of the quantity."""
    months = _month_indexes(days)
    squares = 0.0
    for month in np.unique(months):
        held_out = months == month
        effects = np.linalg.lstsq(columns[~held_out], values[~held_out])[0]
        bias = float((values[held_out] - columns[held_out] @ effects).mean())
        squares += int(held_out.sum()) * bias**2
    return float(np.sqrt(squares / len(days)))


def _month_indexes(days: DayArray) -> DayArray:
    """Return the index of each day's held-out part: equal parts of about a month."""
    offsets = days - days[0]
    total_days = int(offsets[-1]) + 1
    months: DayArray = offsets * max(_MIN_MONTHS, round(total_days / _DAYS_PER_MONTH)) // total_days
    return months
