"""The plan of the next slots: pumps, level and cost, next to two-level control; pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from gateway.agents.definitions.schedule import PumpPoint, ScheduleStep
from gateway.agents.scheduling.slots import slot_of, slot_share, slot_starts
from models.policies.scheduling.controllers import Controller
from models.policies.scheduling.pumping import Installation
from models.policies.scheduling.tariff import Floats


class PlannedSlot(msgspec.Struct, frozen=True):
    """A slot: running pumps, expected level at its end in m³, price per kWh, and its cost."""

    start: datetime
    pumps: int
    level: float
    price: float
    cost: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The next slots and what they cost. demand: expected, in m³."""

    slots: tuple[PlannedSlot, ...]
    cost: float
    demand: float

    @property
    def end_level(self) -> float:
        """The expected level at the end, in m³."""
        return self.slots[-1].level


class SetPoint(msgspec.Struct, frozen=True):
    """What a point is to be set to."""

    point: str
    value: float
    unit: str = ""


def make_plan(
    step: ScheduleStep,
    installation: Installation,
    controller: Controller,
    demand: Floats,
    level: float,
    running: int,
    at: datetime,
) -> Plan:
    """Return the plan of a controller from a level in m³ and a number of running pumps.

    demand: expected, [slots of the day], in m³ a slot.
    """
    slots, total, needed, before = [], 0.0, 0.0, running
    pumps, share = installation.pumps, slot_share(step, at)
    for start in slot_starts(step, at):
        slot = slot_of(step, start)
        action = controller.act(slot, level, before)
        price = installation.prices[slot]
        cost = pumps.cost(action, before, price, installation.hours * share)
        out = float(demand[slot]) * share
        level += float(installation.inflows[action]) * share - out
        slots.append(PlannedSlot(start, action, level, price, cost))
        total, needed, before, share = total + cost, needed + out, action, 1.0
    return Plan(slots=tuple(slots), cost=total, demand=needed)


def expected_saving(current: Plan, candidate: Plan) -> float:
    """Return what a plan saves; water that it leaves less in the tank is counted as a cost."""
    price = max(current.cost, candidate.cost) / max(current.demand, 1e-9)
    missing = current.end_level - candidate.end_level
    return current.cost - candidate.cost - missing * price


def set_points(
    pumps: Sequence[PumpPoint], states: Mapping[str, bool], wanted: int
) -> tuple[SetPoint, ...]:
    """Return which pumps to switch so that `wanted` run, changing as few as possible.

    The first pumps of the list are started first and stopped last.
    """
    running = [one.tag for one in pumps if states[one.tag]]
    idle = [one.tag for one in pumps if not states[one.tag]]
    if wanted >= len(running):
        return tuple(SetPoint(tag, 1.0) for tag in idle[: wanted - len(running)])
    return tuple(SetPoint(tag, 0.0) for tag in reversed(running[wanted:]))
