"""A team of agents with a task board: a milling machine, a monitor, diagnosticians and others."""

from datetime import timedelta
from typing import Any

from gateway.agents.board.awarding import Awarded
from gateway.agents.board.tasks import list_tasks
from gateway.agents.board.team_fields import read_team
from gateway.agents.board.teams import create_team
from gateway.agents.store.agents import AgentChange, create_agent, set_status
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables import Agent, AgentStatus, AgentTask, AgentTeam
from infra import ids
from infra.clock import SystemClock
from tests.support.builders import SPECIALIST, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.agents import definition
from tests.support.gateway.milling_model import serve_milling_inputs

TEAM, MACHINE = "Mills", "M1"
_POINTS = (
    ("N", "rotational speed", "1/min", 1300.0),
    ("TQ", "Torque", "Nm", 65.0),
)
PREDICTION = {"model": SPECIALIST, "output": "failure_probability"}


def predicting(upstream: FakeUpstream, probability: float) -> None:
    """Let the model server be a specialist that answers with a probability of failure."""
    serve_milling_inputs(upstream)
    upstream.predicts = {"failure_probability": probability, "failure": int(probability > 0.5)}


async def add_machine(gateway: Gateway, code: str = MACHINE) -> None:
    """Create a milling machine with its points, and send a reading of each."""
    await _post(gateway, "/v1/plant/assets", {"code": code, "name": f"Mill {code}"})
    for tag, name, unit, _ in _POINTS:
        point = {"tag": f"{code}.{tag}", "name": name, "unit": unit, "asset": code}
        await _post(gateway, "/v1/plant/points", point)
    for tag, _, _, value in _POINTS:
        await send(gateway, f"{code}.{tag}", value)


async def send(gateway: Gateway, tag: str, value: float) -> None:
    """Send a reading of just now."""
    time = (SystemClock().now() - timedelta(milliseconds=50)).isoformat()
    body = {"readings": [{"tag": tag, "time": time, "value": value}]}
    await _post(gateway, "/v1/plant/readings", body)


async def add_team(gateway: Gateway, **fields: Any) -> AgentTeam:
    """Create a team."""
    async with gateway.parts.database.transaction() as session:
        return await create_team(_change(gateway, session), read_team({"name": TEAM, **fields}))


def member_fields(role: str, asset: str = MACHINE, team: str = TEAM) -> dict[str, Any]:
    """Return the fields of the definition of a member."""
    fields: dict[str, Any] = {"name": f"{role} {asset}", "asset": asset, "rules": []}
    fields |= {"board": {"team": team, "role": role}, "autonomy": "advise"}
    if role == "monitor":
        fields["rules"] = [{"name": "torque", "tag": f"{asset}.TQ", "above": 60, "unit": "Nm"}]
    elif role == "diagnostician":
        fields["prediction"] = PREDICTION
    elif role == "executor":
        fields |= {"autonomy": "act", "actions": ["work_order"]}
    return fields


async def add_member(gateway: Gateway, role: str, **fields: Any) -> Agent:
    """Create an active member of the team."""
    made = definition(**{**member_fields(role), **fields})
    async with gateway.parts.database.transaction() as session:
        change = _change(gateway, session)
        row = await create_agent(change, gateway.key.row.id, made, 1_000)
        return await set_status(change, ids.format_id("agent", row.id), AgentStatus.ACTIVE)


async def tick(gateway: Gateway) -> None:
    """Run all due agents once."""
    while await gateway.parts.agent_runner.run_due():
        pass


async def work(gateway: Gateway, rounds: int = 10) -> None:
    """Award and do tasks one after another until nothing is due."""
    board = gateway.parts.agents.board_runner
    for _ in range(rounds):
        awarded = await board.award(8)
        for one in awarded:
            await board.work(one)
        if not awarded:
            return


async def award(gateway: Gateway) -> Awarded:
    """Award the only task that is due, without working on it."""
    (awarded,) = await gateway.parts.agents.board_runner.award(8)
    return awarded


async def tasks(gateway: Gateway) -> list[AgentTask]:
    """Return the tasks of the account, the oldest first."""
    async with gateway.parts.database.transaction() as session:
        found = await list_tasks(session, gateway.account.id, 100)
    return list(reversed(found))


def _change(gateway: Gateway, session: Any) -> AgentChange:
    return AgentChange(session, gateway.parts.clock, CLI_ACTOR, gateway.account.id)


async def _post(gateway: Gateway, path: str, body: Any) -> None:
    answer = await gateway.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
