"""Feedback, policies, steps and limits as the API and the CLI show them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.agents.definitions.learning import Learning, learning_fields
from gateway.agents.learning.limits import LIMIT
from gateway.agents.learning.policy_rows import POLICY
from gateway.agents.public_ids import AGENT, TICK
from gateway.tables.agents import Agent
from gateway.tables.agents_learning import (
    AgentFeedback,
    AgentLearning,
    AgentLimit,
    AgentPolicy,
    AgentPolicyStep,
)
from infra import ids


def feedback_json(row: AgentFeedback) -> dict[str, Any]:
    """Return feedback on a tick."""
    return {
        "object": "agent.feedback",
        "agent": ids.format_id(AGENT, row.agent_id),
        "tick": ids.format_id(TICK, row.tick_id),
        "verdict": row.verdict,
        "fault": row.fault,
        "found": row.found,
        "found_at": _time(row.found_at),
        "cost": row.cost,
        "given_by": row.given_by,
        "created_at": _time(row.created_at),
        "changed_at": _time(row.changed_at),
    }


def policy_json(row: AgentPolicy, *, with_file: bool = False) -> dict[str, Any]:
    """Return a policy with its evidence; with_file: with its content and signature."""
    shown = {
        "id": ids.format_id(POLICY, row.id),
        "object": "agent.policy",
        "agent": ids.format_id(AGENT, row.agent_id),
        "number": row.number,
        "status": row.status,
        "sha256": row.sha256,
        "evidence": row.evidence,
        "replaces": None if row.previous_id is None else ids.format_id(POLICY, row.previous_id),
        "created_at": _time(row.created_at),
        "shadow_until": _time(row.shadow_until),
        "promoted_at": _time(row.promoted_at),
        "ended_at": _time(row.ended_at),
    }
    if not with_file:
        return shown
    return {**shown, "content": row.content.decode(), "signature": row.signature}


def step_json(row: AgentPolicyStep) -> dict[str, Any]:
    """Return a step of a policy with its figures. decided_by: null for the platform."""
    return {
        "object": "agent.policy_step",
        "policy": ids.format_id(POLICY, row.policy_id),
        "step": row.step,
        "figures": row.figures,
        "decided_by": row.decided_by,
        "created_at": _time(row.created_at),
    }


def limit_json(row: AgentLimit) -> dict[str, Any]:
    """Return a proposed limit."""
    return {
        "id": ids.format_id(LIMIT, row.id),
        "object": "agent.limit",
        "agent": ids.format_id(AGENT, row.agent_id),
        "rule": row.rule,
        "before": row.before,
        "after": row.after,
        "unit": row.unit,
        "figures": row.figures,
        "status": row.status,
        "decided_by": row.decided_by,
        "decided_at": _time(row.decided_at),
        "created_at": _time(row.created_at),
    }


def learning_json(
    agent: Agent,
    settings: Learning,
    row: AgentLearning | None,
    steps: Sequence[AgentPolicyStep],
) -> dict[str, Any]:
    """Return how an agent learns: settings, known outcomes, why there is no policy, and steps."""
    shown = learning_fields(settings).get("learning", {"enabled": False})
    return {
        "object": "agent.learning",
        "agent": ids.format_id(AGENT, agent.id),
        **shown,
        "known_outcomes": 0 if row is None else row.known,
        "trained_outcomes": 0 if row is None else row.trained_known,
        "waits_for": "" if row is None else row.waits_for,
        "steps": [step_json(one) for one in steps],
    }


def _time(time: datetime | None) -> str | None:
    """Return a time in ISO 8601."""
    return None if time is None else time.isoformat()
