"""The decision of a tick: how many pumps run in the next slot, or why nothing is switched; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.rules import NewestReading
from gateway.agents.scheduling.basis import (
    DemandBasis,
    expected_demand,
    installation_of,
    safe_hysteresis,
    two_level_control,
)
from gateway.agents.scheduling.levels import (
    MAX_AHEAD_S,
    LevelReadings,
    LevelStatus,
    TankLevel,
    assess_level,
)
from gateway.agents.scheduling.planning import (
    Plan,
    SetPoint,
    expected_saving,
    make_plan,
    set_points,
)
from gateway.agents.scheduling.slots import slot_of
from models.policies.scheduling.controllers import Controller
from models.policies.scheduling.pumping import Installation

# A state that is reported on change only may be this old.
PUMP_STALE = timedelta(days=1)
_RUNNING = 0.5
HYSTERESIS = "hysteresis"


class DecisionStatus(StrEnum):
    """planned: pumps can be switched. blind: readings cannot be relied on. held: a rule is raised.

    Nothing is switched unless `planned`; the machine's own control goes on.
    """

    PLANNED = "planned"
    BLIND = "blind"
    HELD = "held"


class ScheduleDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What a tick came to. reason: a code such as `level_frozen`, empty if planned.

    running, wanted: numbers of pumps. policy: `hysteresis` or the id of a learned schedule.
    cost_by_hysteresis: of two-level control from the same state. saving: with the water that is
    left in the tank. policy_error: why a learned schedule was not used, empty if it was.
    """

    status: DecisionStatus
    reason: str = ""
    level: TankLevel
    running: int | None = None
    wanted: int | None = None
    policy: str = HYSTERESIS
    policy_error: str = ""
    currency: str = ""
    plan: Plan | None = None
    by_hysteresis: Plan | None = None
    saving: float | None = None
    set_points: tuple[SetPoint, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether pumps are to be switched."""
        return bool(self.set_points)


@dataclass(frozen=True, slots=True)
class ScheduleReadings:
    """The newest readings: level with its recent course, demand, and pumps by tag.

    A point that the asset does not have is missing.
    """

    level: LevelReadings
    newest: Mapping[str, NewestReading]


@dataclass(frozen=True, slots=True)
class PolicyInUse:
    """The schedule that decides: its id, and the controller with the installation it is for."""

    id: str
    installation: Installation
    controller: Controller


def decide(
    step: ScheduleStep,
    readings: ScheduleReadings,
    basis: DemandBasis,
    policy: PolicyInUse | None,
    at: datetime,
    raised: bool = False,
    policy_error: str = "",
) -> ScheduleDecision:
    """Return the decision at a time. policy: None for two-level control."""
    states = pump_states(step, readings.newest, at)
    running = None if states is None else sum(states.values())
    used = policy or default_policy(step, basis)
    flow = _net_flow(step, used.installation, basis, running, at)
    level = assess_level(step.level, readings.level, at, flow)
    found = ScheduleDecision(
        status=DecisionStatus.BLIND,
        level=level,
        running=running,
        policy=used.id,
        policy_error=policy_error,
        currency=step.tariff.currency,
    )
    if level.status is not LevelStatus.USABLE or level.volume is None:
        return msgspec.structs.replace(found, reason=f"level_{level.status.value}")
    if states is None or running is None:
        return msgspec.structs.replace(found, reason="pump_state_unknown")
    found = _with_plans(step, found, used, basis, (level.volume, running), at)
    if raised:
        return msgspec.structs.replace(found, status=DecisionStatus.HELD, reason="rule_raised")
    wanted = found.wanted if found.wanted is not None else running
    switched = set_points(step.pumps, states, wanted)
    return msgspec.structs.replace(found, status=DecisionStatus.PLANNED, set_points=switched)


def default_policy(step: ScheduleStep, basis: DemandBasis) -> PolicyInUse:
    """Return two-level control within the shield."""
    installation = installation_of(step, basis.pumps)
    return PolicyInUse(HYSTERESIS, installation, safe_hysteresis(step, basis.shield))


def pump_states(
    step: ScheduleStep, newest: Mapping[str, NewestReading], at: datetime
) -> Mapping[str, bool] | None:
    """Return whether each pump runs, by tag; None if that is not known of each."""
    states = {}
    for pump in step.pumps:
        reading = newest.get(pump.tag)
        if reading is None or reading.value is None or reading.time is None:
            return None
        age = at - reading.time
        if not -timedelta(seconds=MAX_AHEAD_S) <= age <= PUMP_STALE:
            return None
        states[pump.tag] = reading.value > _RUNNING
    return states


def _with_plans(
    step: ScheduleStep,
    found: ScheduleDecision,
    used: PolicyInUse,
    basis: DemandBasis,
    begins: tuple[float, int],
    at: datetime,
) -> ScheduleDecision:
    """Return a decision with its plan and that of two-level control. begins: volume and pumps."""
    demand = expected_demand(basis)
    plan = make_plan(step, used.installation, used.controller, demand, *begins, at)
    usual = make_plan(step, used.installation, two_level_control(step), demand, *begins, at)
    return msgspec.structs.replace(
        found,
        plan=plan,
        by_hysteresis=usual,
        saving=expected_saving(usual, plan),
        wanted=plan.slots[0].pumps,
    )


def _net_flow(
    step: ScheduleStep,
    installation: Installation,
    basis: DemandBasis,
    running: int | None,
    at: datetime,
) -> float | None:
    """Return the flow into the tank less the expected one out of it, in m³/h."""
    if running is None:
        return None
    out = basis.mean[slot_of(step, at)] / installation.hours
    return installation.pumps.flows[running] - out
