"""What a day of operation cost, against two-level control and a schedule in the shadow; pure.

All costs are by the same flows, powers and prices: the actual ones from the logged states of the
pumps, the others from a replay with the measured demand that starts at the same level. Water that
is left more or less in the tank at midnight counts at the higher mean cost per m³.
"""

from dataclasses import dataclass

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.scheduling.basis import two_level_control
from gateway.agents.scheduling.deciding import PolicyInUse
from gateway.agents.scheduling.history import LoggedDays
from models.policies.scheduling.comparison import savings
from models.policies.scheduling.controllers import Controller
from models.policies.scheduling.evaluation import logged_operation
from models.policies.scheduling.operation import Operation, operate
from models.policies.scheduling.pumping import Installation


@dataclass(frozen=True, slots=True)
class DaySaving:
    """Costs of a day in the tariff's currency. saved: against two-level control.

    shadow_saved: what a schedule in the shadow would have saved, None without one.
    """

    cost: float
    baseline: float
    saved: float
    shadow_saved: float | None
    demand: float
    violations: int
    baseline_violations: int


def saving_of_day(
    step: ScheduleStep,
    installation: Installation,
    logged: LoggedDays,
    shadow: PolicyInUse | None,
) -> DaySaving | None:
    """Return the saving of the one day of a log, None if the day is not whole."""
    log = logged.log
    if log is None or len(logged.days) != 1:
        return None
    demands = log.days(step.slots)
    begins = (float(log.levels[0]), int(log.actions[0]))
    actual = logged_operation(installation, log, slice(0, 1), float(logged.ends[0]))

    def replayed(installation: Installation, controller: Controller) -> Operation:
        """Return the operation of a controller with the measured demand."""
        return operate(installation, controller, demands, begins)

    baseline = replayed(installation, two_level_control(step))
    shadow_saved = None
    if shadow is not None:
        usual = replayed(shadow.installation, two_level_control(step))
        beside = replayed(shadow.installation, shadow.controller)
        shadow_saved = float(savings(usual, beside, demands).sum())
    return DaySaving(
        cost=actual.total,
        baseline=baseline.total,
        saved=float(savings(baseline, actual, demands).sum()),
        shadow_saved=shadow_saved,
        demand=float(demands.sum()),
        violations=actual.violations,
        baseline_violations=baseline.violations,
    )
