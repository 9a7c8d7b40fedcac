"""The saving against an adjusted baseline, and the saving by design; each with how sure it is.

    adjusted baseline = sum over the reporting days of weight * (what the baseline predicts
                        from that day's variables + agreed non-routine adjustments)
    saving            = adjusted baseline - what was measured        (IPMVP: avoided use)

Owns these sums and their error, which holds the error of the fitted effects and the lasting noise
of both periods. Pure.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from billing.outcomes.measurement.agreed import Adjustment, Agreed
from billing.outcomes.measurement.baseline import Baseline, roughness
from billing.outcomes.measurement.columns import are_distinct
from billing.outcomes.measurement.days import Table
from billing.outcomes.measurement.faults import BaselineUnfit
from billing.outcomes.measurement.memory import Mixture, Other, likelihood, weigh
from billing.outcomes.measurement.noise import Floats
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import scipy.linalg
else:
    scipy = LazyModule("scipy")

_TELLING = 30  # reporting days that say something about how rough they are
_MOST_LEVEL = 2.0  # times; an effect that leaves less calms no plant in proportion


@dataclass(frozen=True, slots=True)
class Saving:
    """What is known of a saving: `sign` * (mixture + `offset`), positive where better.

    `baseline` is the adjusted baseline and `actual` what was measured in the same days.
    """

    mixture: Mixture
    offset: float
    sign: int
    baseline: float
    actual: float

    @property
    def estimate(self) -> float:
        return self.sign * (self.mixture.centre + self.offset)

    def above(self, share: float) -> float:
        """What the saving is above with probability `share`."""
        if self.sign > 0:
            return self.mixture.quantile(1 - share) + self.offset
        return -self.mixture.quantile(share) - self.offset


def saved(
    before: Table, after: Table, baseline: Baseline, agreed: Agreed, *, alternating: bool = False
) -> Saving:
    """The saving of the days `after` against a baseline of the days `before`.

    Where the two are `alternating`, the days before are few, and those after lie between them:
    they tell of the noise as well, once they are at the same level (`_levelled`).

    Raises BaselineUnfit where no reporting day is whole.
    """
    if not len(after.days):
        raise BaselineUnfit("No day of the reporting period is whole.")
    columns, weights = baseline.terms.columns(after), after.weights(agreed.weight)
    actual = float(weights @ after.values)
    by_hand = float(weights @ adjusted(after, agreed.adjustments))
    level = _levelled(before, after, baseline) if alternating else after
    rougher = _rougher(before, level, baseline)
    also = _told_by_both(before, level, baseline, rougher) if alternating else []
    mixture = weigh(
        before.values,
        baseline.terms.columns(before),
        before.days,
        weights @ columns,
        Other(after.days, weights, rougher),
        also,
    )
    sign = -1 if agreed.more_is_better else 1
    return Saving(mixture, by_hand - actual, sign, mixture.centre + by_hand, actual)


def adjusted(table: Table, adjustments: tuple[Adjustment, ...]) -> Floats:
    """Non-routine adjustments, day by day."""
    days = [date.fromordinal(int(day)) for day in table.days]
    sums = [sum(one.per_day for one in adjustments if one.holds(day)) for day in days]
    return np.array(sums, dtype=np.float64)


def _rougher(before: Table, after: Table, baseline: Baseline) -> float:
    """How many times the baseline's the reporting period's noise varies, at least 1.

    A period that is calmer counts as the baseline was: an effect calms the plant as well, and
    what it would have been without is what is asked.
    """
    if len(after.days) < _TELLING:
        return 1.0
    residuals = after.values - _predicted(before, after, baseline)
    was = roughness(baseline.residuals, before.days, baseline.rho)
    return max(1.0, roughness(residuals, after.days, baseline.rho) / was)


def _levelled(before: Table, after: Table, baseline: Baseline) -> Table:
    """The days after, brought to where they are expected."""
    expected = float(_predicted(before, after, baseline).sum())
    return replace(after, values=after.values * level(expected, float(after.values.sum())))


def level(expected: float, measured: float) -> float:
    """How many times what was measured would have been without the effect, 1 to 2.

    An effect in proportion takes its share of the noise as well. Unless that is given back, days
    look calmer than they would have been, and chance that made them rough does not show.
    """
    return min(max(expected / measured, 1.0), _MOST_LEVEL) if measured else 1.0


def _told_by_both(before: Table, after: Table, baseline: Baseline, rougher: float) -> list[Floats]:
    """How likely each noise makes the days of both sides, each side with effects of its own.

    Nothing where the days after are too few for that, or some column is the same on all of them.
    """
    terms = baseline.terms
    if len(after.days) < _TELLING or not are_distinct(terms.named(after)):
        return []
    columns = scipy.linalg.block_diag(terms.columns(before), terms.columns(after))
    values = np.concatenate([before.values, after.values / np.sqrt(rougher)])
    days = np.concatenate([before.days, after.days])
    order = np.argsort(days)
    return [likelihood(values[order], columns[order], days[order])]


def _predicted(before: Table, after: Table, baseline: Baseline) -> Floats:
    """What least squares on the days before expects of each day after."""
    effects = np.linalg.lstsq(baseline.terms.columns(before), before.values)[0]
    predicted: Floats = baseline.terms.columns(after) @ effects
    return predicted
