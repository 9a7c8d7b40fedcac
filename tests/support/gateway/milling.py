"""An agent of a mill: its points and readings, and its ticks."""

from datetime import timedelta
from typing import Any

from gateway.agents.store.agents import AgentChange, create_agent, set_status
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables import Agent, AgentStatus
from infra import ids
from infra.clock import SystemClock
from tests.support.builders import SPECIALIST, Gateway
from tests.support.gateway.agents import definition
from tests.support.waiting import until_true

_POINTS = (
    ("M1.TA", "Air temperature", "degC", 24.95),
    ("M1.TP", "Process temperature", "degC", 35.45),
    ("M1.N", "rotational speed", "1/min", 1300.0),
    ("M1.TQ", "Torque", "Nm", 65.0),
    ("M1.WEAR", "Tool wear", "min", 220.0),
)
MILL_PREDICTION = {
    "model": SPECIALIST,
    "output": "failure_probability",
    "when": "rule",
    "event": "machine_failure",
    "options": {"values": {"type": "L"}},
}
MILL_AGENT = {
    "asset": "M1",
    "rules": [{"name": "torque", "tag": "M1.TQ", "above": 60, "unit": "Nm"}],
    "prediction": MILL_PREDICTION,
    "costs": {"planned_stop": 1000, "unplanned_stop": 10_000, "inspection": 50},
    "actions": ["work_order"],
}


async def post(gateway: Gateway, path: str, body: Any) -> None:
    answer = await gateway.http.post(path, json=body)
    assert answer.status_code == 200, answer.text


async def machine(gateway: Gateway, torque: float) -> None:
    await post(gateway, "/v1/plant/assets", {"code": "M1", "name": "Mill 1"})
    for tag, name, unit, _ in _POINTS:
        await post(
            gateway, "/v1/plant/points", {"tag": tag, "name": name, "unit": unit, "asset": "M1"}
        )
    await send(gateway, torque)


async def send(gateway: Gateway, torque: float) -> None:
    time = (SystemClock().now() - timedelta(seconds=5)).isoformat()
    values = {tag: value for tag, _, _, value in _POINTS} | {"M1.TQ": torque}
    readings = [{"tag": tag, "time": time, "value": value} for tag, value in values.items()]
    await post(gateway, "/v1/plant/readings", {"readings": readings})


async def start(gateway: Gateway, **fields: Any) -> Agent:
    async with gateway.parts.database.transaction() as session:
        change = AgentChange(session, SystemClock(), CLI_ACTOR, gateway.account.id)
        row = await create_agent(
            change, gateway.key.row.id, definition(**{**MILL_AGENT, **fields}), 10
        )
        return await set_status(change, ids.format_id("agent", row.id), AgentStatus.ACTIVE)


async def ticked(gateway: Gateway, agent: Agent) -> Agent:
    """Return the agent after its tick."""
    found: list[Agent] = []

    async def has_ticked() -> bool:
        gateway.parts.agent_runner.wake()
        async with gateway.parts.database.transaction() as session:
            row = await session.get_one(Agent, agent.id, populate_existing=True)
        found[:] = [row]
        return row.ticked_at is not None or row.status == AgentStatus.STOPPED

    await until_true(has_ticked)
    return found[0]
