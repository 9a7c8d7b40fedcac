"""Events of an account's own models, by e-mail and by the webhook of its alerts."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.notifications.alert_targets import ALERT_ACTION, get_alert_target
from billing.notifications.messages import EmailNotice, enqueue_email
from billing.outbox import enqueue
from infra import ids
from infra.clock import Clock


async def enqueue_model_event(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    key: str,
    event: str,
    notice: EmailNotice,
    data: Mapping[str, Any],
) -> None:
    """Enqueue e-mail and webhook of an event, each once per `key`.

    `data` is the webhook's content; the account is added.
    """
    profile = await get_profile(session, account_id)
    await enqueue_email(session, clock, profile, key, notice)
    target = await get_alert_target(session, account_id)
    if target.url:
        payload = {
            "type": event,
            "timestamp": clock.now().isoformat(),
            "data": {"account": ids.format_id("acct", account_id), **data},
        }
        await enqueue(session, clock, account_id, ALERT_ACTION, key, key, payload)
