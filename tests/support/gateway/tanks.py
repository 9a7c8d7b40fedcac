"""A tank with two pumps for tests: its section of a definition, and simulated operation."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from gateway.agents.definitions.schedule import ScheduleDocument, ScheduleStep, check_schedule
from gateway.agents.scheduling.history import History, SlotColumn
from gateway.agents.scheduling.slots import start_of_day
from models.policies.scheduling.tariff import Floats

LEVEL, OUTFLOW, PUMPS = "T1.LEVEL", "T1.OUT", ("P1.RUN", "P2.RUN")
FIRST = date(2026, 3, 2)
_FLOWS = np.array([0.0, 90.0, 168.0])


def schedule(**fields: Any) -> dict[str, Any]:
    """Return the section of a definition, changed by `fields`."""
    base = {
        "tariff": "four-price-example",
        "time_zone": "Asia/Shanghai",
        "slot": "30m",
        "low": 225.0,
        "high": 550.0,
        "level": {"tag": LEVEL, "minimum": 100, "maximum": 600},
        "demand": {"tag": OUTFLOW, "maximum": 130},
        "pumps": [
            {"tag": PUMPS[0], "flow": 88, "power": 30},
            {"tag": PUMPS[1], "flow": 80, "power": 31},
        ],
    }
    return {**base, **fields}


def step(**fields: Any) -> ScheduleStep:
    """Return the checked section."""
    return check_schedule(msgspec.convert(schedule(**fields), ScheduleDocument))


@dataclass(frozen=True)
class Operated:
    """Simulated operation: levels at the slots' limits in m³, demands in m³/h, running pumps."""

    first: date
    levels: Floats
    demands: Floats
    pumps: Floats

    @property
    def slots(self) -> int:
        """The number of slots."""
        return len(self.demands)


def operated(days: int, seed: int = 1, random_share: float = 0.15, first: date = FIRST) -> Operated:
    """Return days of two-level control with a share of random actions, in slots of 30 minutes."""
    random = np.random.default_rng(seed)
    hours = np.arange(48) / 2
    daily = 80 + 35 * np.sin((hours - 9) / 24 * 2 * np.pi) + 15 * np.sin(hours / 12 * 2 * np.pi)
    level, before, levels, demands, pumps = 350.0, 0, [350.0], [], []
    for _ in range(days):
        for mean in daily * random.normal(1, 0.05):
            demand = float(mean * random.normal(1, 0.05))
            action = 2 if level <= 225 else 0 if level >= 550 else before
            if random.random() < random_share and 160 < level < 500:
                action = int(random.integers(3))
            level += (_FLOWS[action] - demand) / 2
            before = action
            levels.append(level)
            demands.append(demand)
            pumps.append(action)
    return Operated(first, np.array(levels), np.array(demands), np.array(pumps, dtype=float))


def history_of(run: Operated) -> History:
    """Return the operation as aggregates by slot, one slot before the first day included."""
    states = [np.concatenate([[0.0], (run.pumps > pump).astype(float)]) for pump in range(2)]
    flow = np.concatenate([[run.demands[0]], run.demands])
    columns = {
        LEVEL: SlotColumn("m3", run.levels, run.levels),
        OUTFLOW: SlotColumn("m3/h", flow, flow),
        **{tag: SlotColumn("", values, values) for tag, values in zip(PUMPS, states, strict=True)},
    }
    count = run.slots // 48
    return History([run.first + timedelta(days=day) for day in range(count)], columns)


def readings_of(run: Operated) -> list[dict[str, Any]]:
    """Return the operation as readings of the API: the level just before the end of each slot."""
    start = start_of_day(step(), run.first)
    found: list[dict[str, Any]] = []

    def add(tag: str, at: datetime, value: float) -> None:
        """Add one reading."""
        found.append({"tag": tag, "time": at.isoformat(), "value": round(float(value), 3)})

    add(LEVEL, start - timedelta(seconds=5), run.levels[0])
    for index in range(run.slots):
        at = start + timedelta(minutes=30 * index)
        add(LEVEL, at + timedelta(minutes=29, seconds=55), run.levels[index + 1])
        add(OUTFLOW, at + timedelta(minutes=15), run.demands[index])
        for pump, tag in enumerate(PUMPS):
            add(tag, at + timedelta(seconds=1), float(run.pumps[index] > pump))
    return found


def at(hour: float, day: date = FIRST) -> datetime:
    """Return a time of a day in Shanghai, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour - 8)
