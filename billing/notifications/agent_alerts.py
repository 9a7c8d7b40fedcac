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
COMMAND_EVENT = "agent.command"
_OF_COMMAND = "command_"
_PAGE = "/dashboard/agents"


@dataclass(frozen=True, slots=True)
class AgentAlert:
    """What an agent decided. `key` is unique; `data` has the figures of the decision.

    kind: inspect, stop, part (to be ordered), cleared (of an earlier decision) or stopped; of a
    command `command_refused`, `command_not_confirmed` or `command_safe`.
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
    stated = {name: str(alert.data.get(name, "")) for name in ("code", "tag")}
    notice = EmailNotice(
        f"agent_{alert.kind}", {"name": alert.name, "asset": alert.asset, **stated}
    )
    event = STOPPED_EVENT if alert.kind == "stopped" else DECIDED_EVENT
    if alert.kind.startswith(_OF_COMMAND):
        event = COMMAND_EVENT
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
