"""Teams, tasks and their events as the API and the CLI show them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from billing.money import nano_text
from gateway.agents.board.contract_net.values import TASK, TEAM, read_content
from gateway.agents.board.holds import spending
from gateway.agents.board.team_fields import team_document
from gateway.agents.public_ids import AGENT
from gateway.plant.assets.ids import ASSET
from gateway.tables.agents import Agent
from gateway.tables.agents_board import AgentTask, AgentTaskEvent, AgentTeam, AgentTeamMember
from infra import ids


def team_json(row: AgentTeam, held_nano: int, now: datetime) -> dict[str, Any]:
    """Return a team with what its calls cost, and what running calls may cost."""
    spent = spending(row, now)
    fields: dict[str, Any] = msgspec.to_builtins(team_document(row))
    return {
        "id": ids.format_id(TEAM, row.id),
        "object": "agent.team",
        **fields,
        "spent": {
            "day": nano_text(spent.day_nano),
            "month": nano_text(spent.month_nano),
            "held": nano_text(held_nano),
        },
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }


def member_json(member: AgentTeamMember, agent: Agent) -> dict[str, Any]:
    """Return a member of a team."""
    return {
        "agent": ids.format_id(AGENT, agent.id),
        "name": agent.name,
        "role": member.role,
        "asset": ids.format_id(ASSET, agent.asset_id),
        "status": agent.status,
        "stop_code": agent.stop_code,
    }


def task_json(row: AgentTask) -> dict[str, Any]:
    """Return a task: what it asks for, who holds it, and what it rests on."""
    content = read_content(row.content)
    return {
        "id": ids.format_id(TASK, row.id),
        "object": "agent.task",
        "team": ids.format_id(TEAM, row.team_id),
        "case": ids.format_id(TASK, row.case_id),
        "asset": ids.format_id(ASSET, row.asset_id),
        "kind": row.kind,
        "status": row.status,
        "code": row.code,
        "announced_by": ids.format_id(AGENT, row.announced_by),
        "holder": _agent(row.holder_id),
        "leases": row.leases,
        "lease_until": _time(row.lease_until),
        "deadline_at": _time(row.deadline_at),
        "verdicts": msgspec.to_builtins(content.verdicts),
        "chosen_verdict": content.chosen,
        "stated_probability": content.stated,
        "plan": content.plan,
        "result": row.result,
        "cost": nano_text(row.cost_nano),
        "answered_by": row.answered_by,
        "created_at": _time(row.created_at),
        "finished_at": _time(row.finished_at),
    }


def task_with_events_json(
    row: AgentTask, events: Sequence[AgentTaskEvent], case: Sequence[AgentTask]
) -> dict[str, Any]:
    """Return a task with its events, and the tasks of its case in order."""
    tasks = [
        {"id": ids.format_id(TASK, one.id), "kind": one.kind, "status": one.status} for one in case
    ]
    return {**task_json(row), "events": [_event(one) for one in events], "tasks": tasks}


def _event(row: AgentTaskEvent) -> Mapping[str, Any]:
    """Return an event of a task."""
    return {
        "at": row.at.isoformat(),
        "kind": row.kind,
        "agent": _agent(row.agent_id),
        "data": row.data,
    }


def _agent(agent_id: UUID | None) -> str | None:
    """Return the public id of an agent."""
    return None if agent_id is None else ids.format_id(AGENT, agent_id)


def _time(time: datetime | None) -> str | None:
    """Return a time in ISO 8601."""
    return None if time is None else time.isoformat()
