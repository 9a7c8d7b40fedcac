"""Runs as the API, the command line and other agents see them."""

from typing import Any

from billing.money import nano_text
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.agents.public_ids import AGENT, RUN, TICK
from gateway.tables.agents_a2a import AgentRun
from infra import ids


def run_json(row: AgentRun) -> dict[str, Any]:
    """Return a run with its decision. error: also of a prediction that rules replaced."""
    outcome = row.outcome or {}
    return {
        "id": ids.format_id(RUN, row.id),
        "object": "agent.run",
        "agent": ids.format_id(AGENT, row.agent_id),
        "status": row.status,
        "key": ids.format_id(KEY_PREFIX, row.key_id),
        "max_cost": None if row.most_nano is None else nano_text(row.most_nano),
        "agent_chain": row.chain,
        "assessment": outcome.get("assessment"),
        "rules": outcome.get("rules"),
        "prediction": outcome.get("prediction"),
        "tick": None if row.tick_id is None else ids.format_id(TICK, row.tick_id),
        "cost": nano_text(row.cost_nano),
        "error": row.error,
        "created_at": row.created_at.isoformat(),
        "finished_at": None if row.finished_at is None else row.finished_at.isoformat(),
    }
