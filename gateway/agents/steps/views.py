"""Steps of ticks as the API and the CLI show them."""

from typing import Any

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.money import nano_text
from gateway.agents.public_ids import AGENT, STEP, TICK
from gateway.tables.agents_rounds import AgentStep
from infra import ids


def step_json(row: AgentStep) -> dict[str, Any]:
    """Return a step with its output, call and cost."""
    request = row.request_id
    return {
        "id": ids.format_id(STEP, row.id),
        "object": "agent.step",
        "agent": ids.format_id(AGENT, row.agent_id),
        "tick": ids.format_id(TICK, row.tick_id),
        "name": row.name,
        "model": row.model or None,
        "output": row.output,
        "request_id": None if request is None else ids.format_id(REQUEST_ID_PREFIX, request),
        "cost": nano_text(row.cost_nano),
        "error": row.error,
    }
