"""Limits, connectors and commands as the API and the CLI show them."""

from datetime import datetime
from typing import Any

from gateway.agents.public_ids import ACTION, AGENT, COMMAND, LIMITS
from gateway.tables.agents_commands import AgentCommand, AgentCommandLimits, AgentConnector
from infra import ids


def limits_json(row: AgentCommandLimits, now: datetime) -> dict[str, Any]:
    """Return limits with their points and whether they are valid."""
    return {
        "id": ids.format_id(LIMITS, row.id),
        "object": "agent.limits",
        "connector": row.connector,
        "key": row.kid,
        "status": limits_status(row, now),
        "issued_at": row.issued_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
        "points": row.document["points"],
        "sha256": row.digest,
        "created_at": row.created_at.isoformat(),
        "created_by": row.created_by,
        "revoked_at": _time(row.revoked_at),
        "revoked_by": row.revoked_by,
    }


def limits_status(row: AgentCommandLimits, now: datetime) -> str:
    """Return `active`, `revoked` or `expired`."""
    if row.revoked_at is not None:
        return "revoked"
    return "active" if row.expires_at > now else "expired"


def connector_json(row: AgentConnector) -> dict[str, Any]:
    """Return a connector: the keys that it trusts, the tags it can write, when it asked last."""
    return {
        "object": "agent.connector",
        "name": row.name,
        "keys": row.keys,
        "tags": row.tags,
        "seen_at": row.seen_at.isoformat(),
    }


def command_json(row: AgentCommand) -> dict[str, Any]:
    """Return a command with its outcome."""
    return {
        "id": ids.format_id(COMMAND, row.id),
        "object": "agent.command",
        "agent": ids.format_id(AGENT, row.agent_id),
        "version": row.version,
        "action": ids.format_id(ACTION, row.action_id),
        "limits": ids.format_id(LIMITS, row.limits_id),
        "connector": row.connector,
        "tag": row.tag,
        "value": row.value,
        "unit": row.unit,
        "is_undo": row.is_undo,
        "status": row.status,
        "code": row.code or None,
        "value_before": row.value_before,
        "value_read": row.value_read,
        "created_at": row.created_at.isoformat(),
        "not_after": row.not_after.isoformat(),
        "renewed_at": row.renewed_at.isoformat(),
        "sent_at": _time(row.sent_at),
        "reported_at": _time(row.reported_at),
    }


def _time(time: datetime | None) -> str | None:
    """Return a time in ISO 8601."""
    return None if time is None else time.isoformat()
