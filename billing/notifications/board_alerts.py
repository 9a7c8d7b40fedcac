"""Notices of teams of agents: verdicts that conflict, tasks and agents that were stopped."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.agent_alerts import STOPPED_EVENT
from billing.notifications.messages import EmailNotice
from billing.notifications.model_events import enqueue_model_event
from infra.clock import Clock

CONFLICT_EVENT, TASK_STOPPED_EVENT = "agent.verdicts_conflict", "agent.task_stopped"


class BoardNotice(StrEnum):
    """What a notice says."""

    CONFLICT = "conflict"
    UNPAID = "unpaid"
    TASK_STOPPED = "task_stopped"
    OSCILLATING = "oscillating"


_EVENTS: Mapping[BoardNotice, str] = MappingProxyType(
    {
        BoardNotice.CONFLICT: CONFLICT_EVENT,
        BoardNotice.UNPAID: CONFLICT_EVENT,
        BoardNotice.TASK_STOPPED: TASK_STOPPED_EVENT,
        BoardNotice.OSCILLATING: STOPPED_EVENT,
    }
)


@dataclass(frozen=True, slots=True)
class BoardAlert:
    """A notice about a task or an agent of a team. `key` is unique, `page` the path of the page.

    texts: team, asset, name of the agent, verdicts in words, and code, as far as the notice needs
    them. data: the content of the webhook.
    """

    account_id: UUID
    key: str
    kind: BoardNotice
    texts: Mapping[str, str]
    data: Mapping[str, Any]
    page: str


async def enqueue_board_alert(session: AsyncSession, clock: Clock, alert: BoardAlert) -> None:
    """Enqueue e-mail and webhook of a notice, each once."""
    notice = EmailNotice(f"agent_team_{alert.kind.value}", dict(alert.texts))
    key, event = f"agent_board:{alert.key}", _EVENTS[alert.kind]
    await enqueue_model_event(
        session, clock, alert.account_id, key, event, notice, alert.data, alert.page
    )
