"""Events of own models and prepaid packs, by e-mail and to notification endpoints."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.events.emission import Event, emit_event
from billing.events.texts import localised
from billing.notifications.messages import EmailNotice, enqueue_email
from infra.clock import Clock

_MODELS_PAGE = "/dashboard/models"


async def enqueue_model_event(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    key: str,
    event: str,
    notice: EmailNotice,
    data: Mapping[str, Any],
    page: str = _MODELS_PAGE,
) -> None:
    """Enqueue the e-mail of an event and emit the event, each once per `key`.

    `data` is the webhook's content; the account is added. `page` is the path of the page about it.
    """
    profile = await get_profile(session, account_id)
    await enqueue_email(session, clock, profile, key, notice)
    texts = localised(notice.render_without_greeting)
    await emit_event(session, clock, Event(account_id, event, key, data, texts, page))
