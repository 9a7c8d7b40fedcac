"""A machine with past events that no single point shows: two readings that stop moving together."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from infra import ids
from tests.support.builders import Gateway
from tests.support.gateway.agent_api import PATH, post

RULES = f"{PATH}/warnings"
# Readings are accepted up to 31 days late.
DAYS, EVERY, AHEAD = 30, timedelta(minutes=30), timedelta(days=1)
EVENT_DAYS = (7.5, 11.0, 14.5, 18.0, 21.5, 25.0)


def start() -> datetime:
    """Return the time of the first readings, whole days before this hour."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return hour - timedelta(days=DAYS)


def events() -> list[datetime]:
    """Return the times of the past events."""
    return [start() + timedelta(days=day) for day in EVENT_DAYS]


def course(with_event_now: bool = False, seed: int = 3) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return two readings by tick, [ticks, 2]; they move apart for a day before an event."""
    ticks, ahead = round(timedelta(days=DAYS) / EVERY), round(AHEAD / EVERY)
    random = np.random.default_rng(seed)
    common = random.normal(0, 1, ticks)
    readings = np.stack([common, common], axis=1) + random.normal(0, 0.05, (ticks, 2))
    ends = [round(timedelta(days=day) / EVERY) for day in EVENT_DAYS]
    for last in [*ends, *([ticks] if with_event_now else [])]:
        readings[last - ahead : last, 0] += 0.4
    return readings + 20.0


async def machine(gateway: Gateway, with_event_now: bool = False) -> str:
    """Create an asset with two points and 30 days of readings; return its code."""
    code = f"W-{ids.new_id().hex[-10:]}"
    await post(gateway, "/v1/plant/assets", {"code": code, "name": "Pump"})
    for tag in ("A", "B"):
        point = {"tag": f"{code}.{tag}", "name": tag, "unit": "", "asset": code}
        await post(gateway, "/v1/plant/points", point)
    readings = [
        {"tag": f"{code}.{tag}", "time": (start() + EVERY * number).isoformat(), "value": value}
        for number, row in enumerate(course(with_event_now).tolist())
        for tag, value in zip("AB", row, strict=True)
    ]
    for first in range(0, len(readings), 5000):
        await post(gateway, "/v1/plant/readings", {"readings": readings[first : first + 5000]})
    return code


def rule_body(code: str, **fields: Any) -> dict[str, Any]:
    """Return the body of a new rule of a machine."""
    return {
        "name": f"wear {code}",
        "asset": code,
        "points": [f"{code}.A", f"{code}.B"],
        "miss": 3,
        "false_alarm": 1,
        "every": "30m",
        "horizon": "1d",
        "normal": "84h",
        "recovery": "12h",
        **fields,
    }


def training_body(count: int = len(EVENT_DAYS)) -> dict[str, Any]:
    """Return the body of a training on the first events."""
    return {"events": [one.isoformat() for one in events()[:count]], "from": start().isoformat()}


async def train_all(gateway: Gateway) -> None:
    """Run queued trainings until none is left."""
    while await gateway.parts.agents.warning_trainer._handle_next():
        pass


async def add_rule(gateway: Gateway, asset: str) -> str:
    """Create a rule of an asset and return its id."""
    body = rule_body(asset, name=f"rule {ids.new_id().hex}")
    return str((await post(gateway, RULES, body))["id"])
