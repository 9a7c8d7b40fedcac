"""The audit log entry of a question: questions read the plant, and may cost money."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.identity.audit_log import Actor, record_audit_event
from infra.clock import Clock

_MAX_TEXT = 200
_FIELDS = ("status", "understood_by", "count", "cost", "request_id")


async def record_question(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    question: str,
    answer: Mapping[str, Any],
) -> None:
    """Record who asked what, and how the question ended; `answer` is its JSON."""
    details = {name: answer[name] for name in _FIELDS if answer.get(name) is not None}
    subject = question if len(question) <= _MAX_TEXT else f"{question[:_MAX_TEXT]}…"
    action = "plant.question_asked"
    await record_audit_event(session, clock, actor, account_id, action, subject, details)
