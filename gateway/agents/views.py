"""Agents, versions, ticks, days, actions and templates as the API and the CLI show them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.money import nano_text
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.agents.definitions.fields import definition_fields
from gateway.agents.definitions.templates import AgentTemplate
from gateway.agents.public_ids import ACTION, AGENT, TICK
from gateway.agents.state import Spending
from gateway.agents.store.agents import read_definition
from gateway.plant.assets.ids import ASSET, ENTITY
from gateway.tables.agents import (
    Agent,
    AgentAction,
    AgentDay,
    AgentStatus,
    AgentTick,
    AgentVersion,
)
from infra import ids


def agent_json(row: Agent, now: datetime) -> dict[str, Any]:
    """Return an agent with its current definition and what its calls cost today and this month."""
    stored = Spending(row.spent_day, row.spent_day_nano, row.spent_month_nano)
    spent = stored.at(now.date())
    is_active = row.status == AgentStatus.ACTIVE
    return {
        "id": ids.format_id(AGENT, row.id),
        "object": "agent",
        "name": row.name,
        "asset": ids.format_id(ASSET, row.asset_id),
        "status": row.status,
        "stop_code": row.stop_code,
        "version": row.version,
        "definition": definition_fields(read_definition(row.definition)),
        "key": ids.format_id(KEY_PREFIX, row.key_id),
        "spent": {
            "day": nano_text(spent.day_nano),
            "month": nano_text(spent.month_nano),
        },
        "last_tick_at": _time(row.ticked_at),
        "next_tick_at": _time(row.due_at) if is_active else None,
        "created_at": _time(row.created_at),
        "updated_at": _time(row.updated_at),
    }


def version_json(row: AgentVersion) -> dict[str, Any]:
    """Return a version of an agent's definition."""
    return {
        "object": "agent.version",
        "agent": ids.format_id(AGENT, row.agent_id),
        "version": row.version,
        "definition": definition_fields(read_definition(row.definition)),
        "changed_by": row.changed_by,
        "created_at": _time(row.created_at),
    }


def tick_json(row: AgentTick) -> dict[str, Any]:
    """Return a tick: rules, decision with its expected costs, prediction, call and cost."""
    return {
        "id": ids.format_id(TICK, row.id),
        "object": "agent.tick",
        "agent": ids.format_id(AGENT, row.agent_id),
        "version": row.version,
        "scheduled_at": _time(row.scheduled_at),
        "finished_at": _time(row.finished_at),
        "rules": row.rules,
        "assessment": row.assessment,
        "prediction": row.prediction,
        "request_id": _id(REQUEST_ID_PREFIX, row.request_id),
        "cost": nano_text(row.cost_nano),
        "error": row.error,
    }


def day_json(row: AgentDay) -> dict[str, Any]:
    """Return what an agent did on a day in UTC."""
    return {
        "object": "agent.day",
        "agent": ids.format_id(AGENT, row.agent_id),
        "day": row.day.isoformat(),
        "ticks": row.ticks,
        "raised": row.raised,
        "predictions": row.predictions,
        "decisions": row.decisions,
        "actions": row.actions,
        "errors": row.errors,
        "cost": nano_text(row.cost_nano),
    }


def action_json(row: AgentAction) -> dict[str, Any]:
    """Return an action with its reason. entity: the work order that it created."""
    return {
        "id": ids.format_id(ACTION, row.id),
        "object": "agent.action",
        "agent": ids.format_id(AGENT, row.agent_id),
        "tick": ids.format_id(TICK, row.tick_id),
        "kind": row.kind,
        "status": row.status,
        "content": row.content,
        "reason": row.reason,
        "entity": _id(ENTITY, row.entity_id),
        "created_at": _time(row.created_at),
        "expires_at": _time(row.expires_at),
        "decided_at": _time(row.decided_at),
        "decided_by": row.decided_by,
    }


def template_json(template: AgentTemplate) -> dict[str, Any]:
    """Return a template with its texts by language."""
    return {
        "id": template.id,
        "object": "agent.template",
        "title": dict(template.titles),
        "description": dict(template.descriptions),
        "definition": dict(template.fields),
    }


def _id(prefix: str, identity: UUID | None) -> str | None:
    """Return the public id of a row, None without one."""
    return None if identity is None else ids.format_id(prefix, identity)


def _time(time: datetime | None) -> str | None:
    """Return a time in ISO 8601."""
    return None if time is None else time.isoformat()
