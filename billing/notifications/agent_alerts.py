"""Notices of agents: a decision to inspect or stop a machine, its end, or that an agent stopped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.messages import EmailNotice
from billing.notifications.model_events import enqueue_model_event
from infra.clock import Clock

DECIDED_EVENT, STOPPED_EVENT = "agent.decided", "agent.stopped"
_PAGE = "/dashboard/agents"


@dataclass(frozen=True, slots=True)
class AgentAlert:
    """What an agent decided. `key` is unique; `data` has the figures of the decision.

    kind: inspect, stop, part (to be ordered), cleared (of an earlier decision) or stopped.
    """

    account_id: UUID
    agent: str
    name: str
    asset: str
    key: str
    kind: str
    data: Mapping[str, Any]


async def enqueue_agent_alert(session: AsyncSession, clock: Clock, alert: AgentAlert) -> None:
    """Enqueue e-mail and webhook of a decision, each once."""
    values = {"name": alert.name, "asset": alert.asset, "code": str(alert.data.get("code", ""))}
    notice = EmailNotice(f"agent_{alert.kind}", values)
    event = STOPPED_EVENT if alert.kind == "stopped" else DECIDED_EVENT
    data = {"agent": alert.agent, "name": alert.name, "asset": alert.asset, "decision": alert.kind}
    await enqueue_model_event(
        session,
        clock,
        alert.account_id,
        f"agent:{alert.key}",
        event,
        notice,
        data | dict(alert.data),
        f"{_PAGE}/{alert.agent}",
    )
