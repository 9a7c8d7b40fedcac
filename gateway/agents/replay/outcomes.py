"""Compare episodes with failures that are known: what was caught, and what it cost and saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.agents.replay.simulation import Episode
from models.policies.maintenance.costs import MaintenanceCosts
from models.policies.maintenance.policy import Action

_DAYS_OF_MONTH = 30.4


@dataclass(frozen=True, slots=True)
class ReplayOutcomes:
    """Counts and costs, in the currency of the definition.

    cost: of the agent: an inspection and a planned stop for a caught failure, an inspection for a
    false alarm, an unplanned stop for a missed failure. cost_without: all failures unplanned.
    """

    failures: int
    caught: int
    missed: int
    false_alarms: int
    false_alarms_per_month: float
    cost: float
    cost_without: float

    @property
    def saved(self) -> float:
        """What the agent would have saved; negative if it would have cost more."""
        return self.cost_without - self.cost


def compare_with_failures(
    episodes: Sequence[Episode],
    failures: Sequence[datetime],
    costs: MaintenanceCosts,
    ahead: timedelta,
    length: timedelta,
) -> ReplayOutcomes:
    """Return the outcomes of episodes that asked for an inspection or a stop.

    A failure is caught if an episode begins within `ahead` before it. An episode that catches none
    is a false alarm. length: of the replayed period.
    """
    alarms = [one.start for one in episodes if one.assessment.action is not Action.WAIT]
    caught = [failure for failure in failures if _first_within(alarms, failure, ahead)]
    right = [alarm for alarm in alarms if any(alarm <= one <= alarm + ahead for one in failures)]
    missed, false = len(failures) - len(caught), len(alarms) - len(right)
    cost = (
        len(caught) * (costs.inspection + costs.planned_stop)
        + missed * costs.unplanned_stop
        + false * costs.inspection
    )
    months = max(length / timedelta(days=_DAYS_OF_MONTH), 1e-9)
    return ReplayOutcomes(
        len(failures),
        len(caught),
        missed,
        false,
        false / months,
        cost,
        len(failures) * costs.unplanned_stop,
    )


def _first_within(alarms: Sequence[datetime], failure: datetime, ahead: timedelta) -> bool:
    """Return whether an alarm came in time before a failure."""
    return any(failure - ahead <= alarm <= failure for alarm in alarms)
