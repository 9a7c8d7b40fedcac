"""Notices of agents that learn: steps of their policies, and proposed limits of rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.messages import EmailNotice
from billing.notifications.model_events import enqueue_model_event
from infra.clock import Clock

LEARNED_EVENT = "agent.learned"
_PAGE = "/dashboard/agents"


@dataclass(frozen=True, slots=True)
class LearningAlert:
    """What an agent learned. `key` is unique; `data` has the figures.

    kind: policy_trained, policy_rejected, policy_ready, policy_promoted, policy_rolled_back,
    policy_imported, policy_transferred or limit_proposed.
    """

    account_id: UUID
    agent: str
    name: str
    asset: str
    key: str
    kind: str
    data: Mapping[str, Any]


async def enqueue_learning_alert(session: AsyncSession, clock: Clock, alert: LearningAlert) -> None:
    """Enqueue e-mail and event of a step, each once."""
    values = {
        "name": alert.name,
        "asset": alert.asset,
        "number": str(alert.data.get("number", "")),
        "rule": str(alert.data.get("rule", "")),
    }
    data = {"agent": alert.agent, "name": alert.name, "asset": alert.asset, "step": alert.kind}
    await enqueue_model_event(
        session,
        clock,
        alert.account_id,
        f"agent:learning:{alert.key}",
        LEARNED_EVENT,
        EmailNotice(f"agent_{alert.kind}", values),
        data | dict(alert.data),
        f"{_PAGE}/{alert.agent}#learning",
    )
