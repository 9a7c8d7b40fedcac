"""Call the specialist of an agent as a billed call of its key.

The key of idempotency is that of the tick, and the instant of the prediction the tick's time. If a
process is lost after the call, the next one sends the same request and gets the stored answer,
which is not billed again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.money import nano_from_text, nano_text
from gateway.agents.definitions.values import PredictionStep
from gateway.agents.public_ids import AGENT
from gateway.call.values import SignedInCaller
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.pipeline_client import PipelineClient, PipelineResponse
from gateway.tables.agents import Agent
from infra import ids

# Errors that every call of the key would get: the agent is stopped until a person acts.
_STOP_CODES = frozenset(
    {
        *("invalid_api_key", "api_key_revoked", "api_key_expired", "project_archived"),
        *("model_not_found", "model_not_allowed", "insufficient_scope"),
        "api_key_permission",
    }
)
# Errors that end by waiting.
_WAIT_CODES = frozenset(
    {
        *("rate_limit_exceeded", "credit_reserved", "idempotency_key_in_use", "model_unavailable"),
        *("model_overloaded", "service_unavailable", "metering_unavailable", "model_not_served"),
        "database_unavailable",
    }
)


@dataclass(frozen=True, slots=True)
class Predicted:
    """A specialist's answer with its usage row and cost."""

    prediction: Mapping[str, Any]
    request_id: UUID | None
    cost_nano: int


@dataclass(frozen=True, slots=True)
class PredictionFailed:
    """A call that got no answer. stops: the agent cannot go on. waits: the tick is repeated."""

    code: str
    stops: bool
    waits: bool


@dataclass(frozen=True, slots=True)
class AgentCall:
    """Whose key pays for a call of which agent. purpose: a part of the key of idempotency."""

    account_id: UUID
    key_id: UUID
    agent_id: UUID
    purpose: str

    @classmethod
    def of_tick(cls, agent: Agent) -> "AgentCall":
        """Return the call of an agent's tick."""
        return cls(agent.account_id, agent.key_id, agent.id, str(agent.version))

    def idempotency_key(self, at: datetime) -> str:
        """Return the key of idempotency of the call for a time."""
        return f"{ids.format_id(AGENT, self.agent_id)}:{self.purpose}:{_instant(at)}"


async def predict(
    client: PipelineClient,
    call: AgentCall,
    step: PredictionStep,
    asset: str,
    at: datetime,
    most_nano: int,
) -> Predicted | PredictionFailed:
    """Call the specialist for an asset at a time, for `most_nano` at most."""
    options = {**step.options, "at": _instant(at)}
    body = {"model": step.model, "asset": asset, "asset_options": options}
    return _read(await post_call(client, PREDICTIONS, call, at, most_nano, body))


async def post_call(
    client: PipelineClient,
    endpoint: Endpoint,
    call: AgentCall,
    at: datetime,
    most_nano: int,
    body: Mapping[str, Any],
) -> PipelineResponse:
    """Send a call of an agent for `most_nano` at most, with the idempotency key of its tick."""
    public_id = ids.format_id(AGENT, call.agent_id)
    headers = {
        b"content-type": b"application/json",
        b"idempotency-key": call.idempotency_key(at).encode(),
        b"x-max-cost": nano_text(most_nano).encode(),
        b"x-maas-tags": f"agent={public_id}".encode(),
    }
    caller = SignedInCaller(call.account_id, call.key_id)
    return await client.post(endpoint, caller, headers, msgspec.json.encode(body))


def _read(response: PipelineResponse) -> Predicted | PredictionFailed:
    """Return what a response says."""
    try:
        answer = msgspec.json.decode(response.body)
    except msgspec.DecodeError:
        answer = {}
    if response.status == 200 and (answer.get("predictions") or None):
        # A replayed answer keeps the id of the call that was billed.
        request_id = ids.parse_id(REQUEST_ID_PREFIX, str(answer.get("id", "")))
        cost = nano_from_text(response.headers.get("x-maas-cost", "0"))
        return Predicted(answer["predictions"][0], request_id, cost)
    return read_failure(response.status, answer)


def read_failure(status: int, answer: Mapping[str, Any]) -> PredictionFailed:
    """Return what a refused or unusable answer means for the agent."""
    error = answer.get("error") or {}
    code = str(error.get("code") or f"http_{status}")[:100]
    waits = code in _WAIT_CODES or (status >= 500 and code not in _STOP_CODES)
    return PredictionFailed(code, code in _STOP_CODES, waits)


def _instant(time: datetime) -> str:
    """Return a time as text, to the microsecond."""
    return time.isoformat(timespec="microseconds")
