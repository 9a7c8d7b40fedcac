"""Learn a schedule from a log, measured on days that it has not seen."""

from dataclasses import dataclass

from models.policies.scheduling.comparison import Comparison, compare
from models.policies.scheduling.controllers import Controller, LearnedSchedule
from models.policies.scheduling.fitted_q import fit_action_values
from models.policies.scheduling.log import LogInvalid, OperationLog, fit_pumps
from models.policies.scheduling.pumping import Installation, Levels
from models.policies.scheduling.shield import build_shield
from models.policies.scheduling.tariff import Floats, Tariff

MIN_DAYS = 14
# The last third of the days decides whether the schedule is better.
HELD_OUT = 3


@dataclass(frozen=True, slots=True)
class ScheduleTerms:
    """What the owner states: levels, tariff, number of pumps, price of a start, steps of a day."""

    levels: Levels
    tariff: Tariff
    pumps: int
    start_price: float
    slots: int


@dataclass(frozen=True, slots=True)
class LearnedPlan:
    """A schedule fitted on all days, and the comparison of one fitted without the held-out days."""

    installation: Installation
    schedule: LearnedSchedule
    comparison: Comparison


def learn(log: OperationLog, terms: ScheduleTerms, current: Controller) -> LearnedPlan:
    """Return the schedule of a log and its comparison with the current rule. Raises LogInvalid."""
    hours = 24.0 / terms.slots
    pumps = fit_pumps(log, terms.pumps + 1, terms.start_price, hours)
    prices = tuple(float(price) for price in terms.tariff.prices(terms.slots))
    installation = Installation(terms.levels, pumps, prices)
    days = log.days(terms.slots)
    if len(days) < MIN_DAYS:
        raise LogInvalid(f"The log has {len(days)} whole days; {MIN_DAYS} are needed.")
    kept = len(days) - len(days) // HELD_OUT
    begins = ((terms.levels.lowest + terms.levels.highest) / 2, 0)
    comparison = compare(
        installation, current, fit_schedule(installation, days[:kept]), days[kept:], begins
    )
    return LearnedPlan(installation, fit_schedule(installation, days), comparison)


def fit_schedule(installation: Installation, demands: Floats) -> LearnedSchedule:
    """Return the schedule fitted on demands, [days, slots], in m³ a step."""
    shield = build_shield(installation, demands)
    return LearnedSchedule(fit_action_values(installation, demands, shield), shield)
