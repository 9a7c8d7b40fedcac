"""Learn from the log of a plant and evaluate on its last third, which the fit has not seen.

    off-policy evaluation   what the schedule would have cost, against what the log did cost
    replay                  the schedule against the best of several two-level bands

The demand does not depend on the pumps, so both follow the measured demand; flow and power of the
pumps are those of the log. Intervals are over blocks of two days.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.policies.scheduling.comparison import Comparison, compare, compare_operations
from models.policies.scheduling.controllers import Hysteresis, LearnedSchedule
from models.policies.scheduling.coverage import Coverage, cover
from models.policies.scheduling.learning import HELD_OUT, MIN_DAYS, ScheduleTerms, fit_schedule
from models.policies.scheduling.log import LogInvalid, OperationLog, fit_pumps
from models.policies.scheduling.operation import Operation, operate
from models.policies.scheduling.pumping import Installation
from models.policies.scheduling.tariff import Floats

# Shares of the span between the levels: two wide bands, a high and a low one, and a narrow one.
BANDS = ((0.15, 0.95), (0.25, 0.9), (0.5, 0.95), (0.15, 0.6), (0.4, 0.7))


@dataclass(frozen=True, slots=True)
class EvaluatedSchedule:
    """A schedule fitted on all days, and what one fitted without the last third would have saved.

    band: levels in m³ of the best two-level control on the last third, chosen in hindsight.
    """

    installation: Installation
    schedule: LearnedSchedule
    coverage: Coverage
    off_policy: Comparison
    replay: Comparison
    band: tuple[float, float]
    fitted_days: int
    held_out_days: int


def learn_and_evaluate(
    log: OperationLog,
    pure: OperationLog,
    ends: Floats,
    runs: Sequence[tuple[int, int]],
    terms: ScheduleTerms,
    own_band: tuple[float, float],
) -> EvaluatedSchedule:
    """Return the schedule of whole days. Raises LogInvalid with figures of what is missing.

    pure: steps in which no pump was switched. ends: level at the end of each day, in m³, [days].
    runs: positions of days without a gap, first and last plus one. own_band: of the plant, in m³.
    """
    coverage = cover(log, pure, terms.levels, terms.pumps + 1)
    days = log.days(terms.slots)
    if len(days) < MIN_DAYS:
        raise LogInvalid(f"The log has {len(days)} whole days; {MIN_DAYS} are needed.")
    pumps = fit_pumps(pure, terms.pumps + 1, terms.start_price, 24.0 / terms.slots)
    prices = tuple(float(price) for price in terms.tariff.prices(terms.slots))
    installation = Installation(terms.levels, pumps, prices)
    kept = len(days) - len(days) // HELD_OUT
    candidate = fit_schedule(installation, days[:kept])
    held = [(max(first, kept), last) for first, last in runs if last > kept]
    begins = _begins(log, terms.slots, kept)
    band = best_band(installation, days[kept:], begins, own_band)
    return EvaluatedSchedule(
        installation=installation,
        schedule=fit_schedule(installation, days),
        coverage=coverage,
        off_policy=_against_log(installation, candidate, log, ends, held),
        replay=compare(
            installation, Hysteresis(*band, terms.pumps), candidate, days[kept:], begins
        ),
        band=band,
        fitted_days=kept,
        held_out_days=len(days) - kept,
    )


def best_band(
    installation: Installation,
    demands: Floats,
    begins: tuple[float, int],
    own: tuple[float, float],
) -> tuple[float, float]:
    """Return the cheapest of some two-level bands, in m³, among those that violate levels least."""
    levels, pumps = installation.levels, installation.pumps.actions - 1
    span = levels.highest - levels.lowest
    bands = [(levels.lowest + low * span, levels.lowest + high * span) for low, high in BANDS]
    runs = {
        band: operate(installation, Hysteresis(*band, pumps), demands, begins)
        for band in (own, *bands)
    }
    return min(runs, key=lambda band: (runs[band].violations, runs[band].total))


def logged_operation(
    installation: Installation, log: OperationLog, days: slice, end_level: float
) -> Operation:
    """Return what the log did on some days in a row, by the pumps and prices of an installation."""
    slots = installation.slots
    rows = slice(days.start * slots, days.stop * slots)
    actions, levels = log.actions[rows], log.levels[rows]
    before = np.concatenate([actions[:1], actions[:-1]])
    costs = np.array(
        [
            installation.pumps.cost(
                int(action), int(earlier), installation.prices[index % slots], installation.hours
            )
            for index, (action, earlier) in enumerate(zip(actions, before, strict=True))
        ]
    )
    limits = installation.levels
    outside = (levels < limits.lowest) | (levels > limits.highest)
    return Operation(
        costs=costs.reshape(-1, slots).sum(axis=1),
        starts=int(np.maximum(actions - before, 0).sum()),
        violations=int(outside.sum()),
        lowest=float(levels.min()),
        highest=float(levels.max()),
        ends=(end_level, int(actions[-1])),
    )


def _against_log(
    installation: Installation,
    candidate: LearnedSchedule,
    log: OperationLog,
    ends: Floats,
    runs: Sequence[tuple[int, int]],
) -> Comparison:
    """Return the comparison with the logged operation; each run of days starts at its level."""
    days = log.days(installation.slots)
    logged, played, followed = [], [], []
    for first, last in runs:
        begins = _begins(log, installation.slots, first)
        logged.append(
            logged_operation(installation, log, slice(first, last), float(ends[last - 1]))
        )
        played.append(operate(installation, candidate, days[first:last], begins))
        followed.append(days[first:last])
    return compare_operations(_joined(logged), _joined(played), np.concatenate(followed))


def _joined(parts: Sequence[Operation]) -> Operation:
    """Return operations one after the other; the level at the end is the sum of their ends."""
    return Operation(
        costs=np.concatenate([one.costs for one in parts]),
        starts=sum(one.starts for one in parts),
        violations=sum(one.violations for one in parts),
        lowest=min(one.lowest for one in parts),
        highest=max(one.highest for one in parts),
        # Only differences between two operations are used.
        ends=(sum(one.ends[0] for one in parts), parts[-1].ends[1]),
    )


def _begins(log: OperationLog, slots: int, day: int) -> tuple[float, int]:
    """Return level and number of pumps at the start of a day."""
    return float(log.levels[day * slots]), int(log.actions[day * slots])
