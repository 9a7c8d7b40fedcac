"""Day by day: what the baseline expects of each reporting day, and how far one day may be off.

    expected = what least squares on the days before says of the day + agreed adjustments
    interval = expected -/+ t * s * sqrt(1 + x' (X'X)^-1 x), of a single day, by the textbook

For people, who see in a chart where the saving was made; what is billed is the saving of all days
together (saving.py), with noise that lasts from day to day. Pure.
"""

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from billing.outcomes.measurement.agreed import PPM, Agreed
from billing.outcomes.measurement.baseline import Baseline
from billing.outcomes.measurement.days import Table
from billing.outcomes.measurement.measured import MeasuredDay, resolution_for, to_nearest
from billing.outcomes.measurement.saving import adjusted
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import scipy.special
else:
    scipy = LazyModule("scipy")


def by_day(
    before: Table, after: Table, baseline: Baseline, agreed: Agreed
) -> tuple[MeasuredDay, ...]:
    """Each reporting day beside what was expected of it, at the agreed confidence."""
    known, asked = baseline.terms.columns(before), baseline.terms.columns(after)
    effects = np.linalg.lstsq(known, before.values)[0]
    # As the fit counts them: balance points are fitted too.
    free = len(before.days) - known.shape[1] - sum(at.points for _, at in baseline.terms.balances)
    inverse = np.linalg.pinv(known.T @ known)
    leverage = np.einsum("ij,jk,ik->i", asked, inverse, asked)
    off = np.sqrt(baseline.residuals @ baseline.residuals / free * (1 + leverage))
    off = off * scipy.special.stdtrit(free, 1 - (PPM - agreed.confidence) / PPM / 2)
    expected = asked @ effects + adjusted(after, agreed.adjustments)
    most = float(np.abs([*expected, *after.values]).max(initial=0.0))
    step = resolution_for(agreed.resolution, most)
    figures = np.column_stack([after.values, expected, expected - off, expected + off])
    return tuple(
        MeasuredDay(date.fromordinal(day), *(to_nearest(one, step) for one in row))
        for day, row in zip(after.days.tolist(), figures.tolist(), strict=True)
    )
