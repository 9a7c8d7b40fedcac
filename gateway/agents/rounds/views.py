"""Rounds, answers and photos as the API and the CLI show them."""

from datetime import datetime
from typing import Any

from billing.outcomes.evidence.signatures import public_pem
from gateway.agents.definitions.rounds import RoundPlan, round_fields
from gateway.agents.public_ids import AGENT, PHOTO, ROUND, TICK
from gateway.agents.rounds.store import read_plan
from gateway.registry.files import PREFIX as FILE
from gateway.tables.agents_rounds import AgentRound, AgentRoundPhoto
from infra import ids
from infra.secrets.signing_key import SigningKey


def round_json(row: AgentRound) -> dict[str, Any]:
    """Return a round without its route and report."""
    report = row.report or {}
    return {
        "id": ids.format_id(ROUND, row.id),
        "object": "agent.round",
        "agent": ids.format_id(AGENT, row.agent_id),
        "agent_version": row.agent_version,
        "name": row.name,
        "status": row.status,
        "scheduled_at": _time(row.scheduled_at),
        "started_at": _time(row.started_at),
        "started_by": row.started_by,
        "due_at": _time(row.due_at),
        "submitted_at": _time(row.submitted_at),
        "submitted_by": row.submitted_by,
        "late": report.get("late"),
        "out_of_limits": report.get("counts", {}).get("out_of_limits"),
        "readings_at": _time(row.readings_at),
        "processed_at": _time(row.processed_at),
        "tick": None if row.tick_id is None else ids.format_id(TICK, row.tick_id),
        "report_sha256": row.report_sha256,
    }


def round_with_route_json(row: AgentRound) -> dict[str, Any]:
    """Return a round with its route, as a client that asks the questions needs it."""
    plan: RoundPlan = read_plan(row)
    return {**round_json(row), "route": round_fields(plan)}


def report_json(row: AgentRound, signing: SigningKey) -> dict[str, Any]:
    """Return the report of a submitted round with its hash, signature and public key."""
    return {
        "id": ids.format_id(ROUND, row.id),
        "object": "agent.round.report",
        "complete": row.processed_at is not None,
        "sha256": row.report_sha256,
        "signature": row.report_signature,
        "public_key": public_pem(signing.public_key),
        "report": row.report,
    }


def photo_json(row: AgentRoundPhoto) -> dict[str, Any]:
    """Return a photo of an answer."""
    return {
        "id": ids.format_id(PHOTO, row.id),
        "object": "agent.round.photo",
        "round": ids.format_id(ROUND, row.round_id),
        "stop": row.stop,
        "question": row.question,
        "file": ids.format_id(FILE, row.file_id),
        "sha256": row.sha256,
        "bytes": row.size,
        "width": row.width,
        "height": row.height,
        "created_at": _time(row.created_at),
        "label": row.label,
        "probability": row.probability,
        "error": row.error,
    }


def _time(time: datetime | None) -> str | None:
    """Return a time in ISO 8601."""
    return None if time is None else time.isoformat()
