"""What a plan rests on: installation, expected demand, shield, and the schedule in use; pure."""

from dataclasses import dataclass

import msgspec
import numpy as np

from gateway.agents.definitions.schedule import ScheduleStep
from models.policies.scheduling.controllers import Controller, Hysteresis, Shielded
from models.policies.scheduling.log import LogInvalid, OperationLog, fit_pumps
from models.policies.scheduling.pumping import Installation, Levels, Pumps
from models.policies.scheduling.shield import Shield, build_shield
from models.policies.scheduling.tariff import Floats
from models.units import unit_conversion

M3_PER_HOUR = "m3/h"


class FittedPumps(msgspec.Struct, frozen=True):
    """Flow in m³/h and power in kW with 0, 1, … pumps, [actions], as the log shows them."""

    flows: tuple[float, ...]
    powers: tuple[float, ...]


class DemandBasis(msgspec.Struct, frozen=True, kw_only=True):
    """What the last days showed: kept with the agent and renewed each day.

    day: the local day of the renewal. days: whole days of readings; without any, the highest demand
    that the owner expects is used. mean: expected demand in m³ a slot, [slots]. floors, ceilings:
    of the shield. pumps: None if the readings do not show each action; rated values are used then.
    fingerprint: of the installation's statement; a change of the definition renews the basis.
    """

    day: str
    days: int
    mean: tuple[float, ...]
    floors: tuple[tuple[float, ...], ...]
    ceilings: tuple[float, ...]
    pumps: FittedPumps | None
    fingerprint: str

    @property
    def shield(self) -> Shield:
        """The shield of the last days."""
        return Shield(np.array(self.floors), np.array(self.ceilings))


def rated_pumps(step: ScheduleStep) -> Pumps:
    """Return flow and power by number of running pumps, as rated."""
    flows = np.cumsum([0.0, *(pump.flow for pump in step.pumps)])
    powers = np.cumsum([0.0, *(pump.power for pump in step.pumps)])
    return Pumps(tuple(flows.tolist()), tuple(powers.tolist()), step.start_price)


def levels_of(step: ScheduleStep) -> Levels:
    """Return the limits of the tank in m³."""
    scale = step.level.m3_per_unit
    return Levels(step.level.minimum * scale, step.level.maximum * scale)


def installation_of(step: ScheduleStep, fitted: FittedPumps | None) -> Installation:
    """Return the installation, with the pumps as the log shows them or as rated."""
    pumps = rated_pumps(step)
    if fitted is not None and len(fitted.flows) == pumps.actions:
        pumps = Pumps(fitted.flows, fitted.powers, step.start_price)
    prices = tuple(float(price) for price in step.tariff.prices(step.slots))
    return Installation(levels_of(step), pumps, prices)


@dataclass(frozen=True, slots=True)
class TwoLevelControl:
    """Two levels, between which a tank that is being filled is filled with all pumps."""

    band: Hysteresis

    def act(self, slot: int, level: float, before: int) -> int:
        """Return the number of pumps; one that a person or the shield stopped runs again."""
        return self.band.act(slot, level, self.band.pumps if before else 0)


def two_level_control(step: ScheduleStep) -> TwoLevelControl:
    """Return the control that the definition states, without the shield."""
    return TwoLevelControl(hysteresis_of(step))


def hysteresis_of(step: ScheduleStep) -> Hysteresis:
    """Return the levels in m³ at which the definition starts and stops all pumps."""
    scale = step.level.m3_per_unit
    return Hysteresis(step.low * scale, step.high * scale, len(step.pumps))


def safe_hysteresis(step: ScheduleStep, shield: Shield) -> Controller:
    """Return the two-level control within the shield."""
    return Shielded(two_level_control(step), shield)


def build_basis(
    step: ScheduleStep,
    day: str,
    fingerprint: str,
    log: OperationLog | None,
    pure: OperationLog | None,
) -> DemandBasis:
    """Return the basis of the last days.

    log: whole days, None without any. pure: its steps in which no pump was switched.
    """
    fitted = None if pure is None else fit_or_none(step, pure)
    installation = installation_of(step, fitted)
    if log is None:
        demands = np.full((1, step.slots), _highest_demand(step))
        shield = build_shield(installation, demands, margin=0.0)
    else:
        demands = log.days(step.slots)
        shield = build_shield(installation, demands)
    return DemandBasis(
        day=day,
        days=0 if log is None else len(demands),
        mean=tuple(demands.mean(axis=0).tolist()),
        floors=tuple(tuple(row) for row in shield.floors.tolist()),
        ceilings=tuple(shield.ceilings.tolist()),
        pumps=fitted,
        fingerprint=fingerprint,
    )


def fit_or_none(step: ScheduleStep, pure: OperationLog) -> FittedPumps | None:
    """Return the pumps as steps without switching show them, None if an action is missing."""
    try:
        pumps = fit_pumps(pure, len(step.pumps) + 1, step.start_price, step.slot_s / 3600)
    except LogInvalid:
        return None
    return FittedPumps(pumps.flows, pumps.powers)


def expected_demand(basis: DemandBasis) -> Floats:
    """Return the expected demand, [slots], in m³ a slot."""
    return np.array(basis.mean)


def _highest_demand(step: ScheduleStep) -> float:
    """Return the highest demand that the owner expects, in m³ a slot."""
    flow = unit_conversion(step.demand.unit, M3_PER_HOUR)(np.array([step.demand.maximum]))[0]
    return float(flow) * step.slot_s / 3600
