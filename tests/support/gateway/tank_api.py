"""A tank over the API: asset, points and readings, an agent that schedules its pumps, its ticks."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.agents.public_ids import AGENT
from gateway.agents.scheduling.policy_store import POLICY
from gateway.agents.store.agents import find_agent
from gateway.tables.agents import AgentStatus
from gateway.tables.agents_schedule import AgentScheduleDay
from infra import ids
from tests.support.builders import Gateway
from tests.support.gateway.agent_api import PATH, post
from tests.support.gateway.tanks import (
    LEVEL,
    OUTFLOW,
    PUMPS,
    operated,
    readings_of,
    schedule,
)


def today() -> date:
    """Return the day in Shanghai."""
    return (datetime.now(UTC) + timedelta(hours=8)).date()


async def tank(gateway: Gateway, days: int, silent_days: int = 0) -> str:
    """Create a tank with points and whole days of readings until yesterday; return its code.

    `silent_days` is how many days before today have no readings.
    """
    code = f"T-{ids.new_id().hex[-10:]}"
    await post(gateway, "/v1/plant/assets", {"code": code, "name": "Tank"})
    units = {LEVEL: "m3", OUTFLOW: "m3/h", **dict.fromkeys(PUMPS, "")}
    for tag, unit in units.items():
        point = {"tag": f"{code}.{tag}", "name": tag, "unit": unit, "asset": code}
        await post(gateway, "/v1/plant/points", point)
    found = readings_of(operated(days, first=today() - timedelta(days=days + silent_days)))
    await send(gateway, code, found)
    return code


async def send(gateway: Gateway, code: str, readings: list[dict[str, Any]]) -> None:
    """Send readings of a tank."""
    for first in range(0, len(readings), 5000):
        part = [{**one, "tag": f"{code}.{one['tag']}"} for one in readings[first : first + 5000]]
        await post(gateway, "/v1/plant/readings", {"readings": part})


async def read_now(gateway: Gateway, code: str, level: float, running: int) -> None:
    """Send the level and the states of the pumps of now."""
    now = (datetime.now(UTC) - timedelta(seconds=2)).isoformat()
    pumps = [
        {"tag": tag, "time": now, "value": float(running > pump)} for pump, tag in enumerate(PUMPS)
    ]
    await send(gateway, code, [{"tag": LEVEL, "time": now, "value": level}, *pumps])


async def scheduler(gateway: Gateway, code: str, **fields: Any) -> dict[str, Any]:
    """Create a paused agent that schedules the pumps of a tank."""
    section = schedule()
    for part in (section["level"], section["demand"], *section["pumps"]):
        part["tag"] = f"{code}.{part['tag']}"
    definition = {
        "name": "Night pumping",
        "asset": code,
        "every": "30m",
        "autonomy": "approve",
        "actions": ["set_point"],
        "schedule": section,
        **fields,
    }
    return await post(gateway, PATH, {"definition": definition})


async def tick(gateway: Gateway, agent: str, hours: float = 1) -> None:
    """Run one tick of an agent, which is due later for the runner of the gateway."""
    parts = gateway.parts
    process_id = parts.heartbeat.process_id  # a process that stood still gets another meanwhile
    async with parts.database.transaction() as session:
        row = await find_agent(session, gateway.account.id, agent)
        row.status, row.due_at = AgentStatus.ACTIVE, parts.clock.now() + timedelta(hours=hours)
        row.process_id = process_id
    (observed,) = await parts.agent_runner.observed([row])
    assert not observed.is_quiet
    await parts.agent_runner.run_safely(observed, process_id)


async def learn_all(gateway: Gateway) -> None:
    """Run queued trainings until none is left."""
    while await gateway.parts.agents.schedule_learner._handle_next():
        pass


async def shadow_days(gateway: Gateway, agent: str, policy: str, saved: float) -> None:
    """Add a week of days on which a schedule in the shadow saved an amount."""
    agent_id, policy_id = ids.parse_id(AGENT, agent), ids.parse_id(POLICY, policy)
    assert agent_id is not None
    async with gateway.parts.database.transaction() as session:
        for back in range(40, 47):
            row = AgentScheduleDay(
                agent_id=agent_id,
                day=today() - timedelta(days=back),
                account_id=gateway.account.id,
                currency="CNY",
                shadow_id=policy_id,
                shadow_saved_nano=round((saved + back % 3) * 1e9),
            )
            session.add(row)
