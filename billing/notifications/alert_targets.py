"""An account's alert target: its webhook URL, secret and alert percentages."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile, lock_profile
from billing.tables import AlertTarget, OutboxItem
from infra.errors import AppError
from infra.outbound.webhook_post import new_secret

DEFAULT_PERCENTAGES = (50, 80, 100)
ALERT_ACTION = "alert"  # the action of alert webhooks in the outbox
_MAX_PERCENTAGES = 20
_MAX_URL_LENGTH = 2000


class AlertTargetInvalid(AppError):
    """The webhook URL or the alert percentages are invalid."""

    status = 400
    type = "invalid_request_error"
    code = "alert_target_invalid"


async def get_alert_target(session: AsyncSession, account_id: UUID) -> AlertTarget:
    """Return an account's alert target; by default no webhook and the default percentages."""
    target = await session.get(AlertTarget, account_id)
    return target or AlertTarget(account_id=account_id, percentages=list(DEFAULT_PERCENTAGES))


async def update_alert_target(
    session: AsyncSession,
    account_id: UUID,
    url: str | None = None,
    percentages: Sequence[int] | None = None,
) -> str | None:
    """Update the webhook URL or the percentages; None leaves a value, an empty URL removes it.

    Returns the new signing secret if the URL changed, else None. Raises AlertTargetInvalid.
    """
    await lock_profile(session, account_id)
    target = await get_alert_target(session, account_id)
    secret = ""
    if url is not None and url != target.url:
        secret = new_secret() if _validate_url(url) else ""
        target.url, target.secret = url, secret
    if percentages is not None:
        target.percentages = require_percentages(percentages)
    session.add(target)
    await session.flush()
    return secret or None


async def alert_target_json(session: AsyncSession, account_id: UUID) -> dict[str, Any]:
    """Return the alert target and undelivered alerts as JSON, without the secret."""
    target = await get_alert_target(session, account_id)
    profile = await get_profile(session, account_id)
    return {
        "object": "alert_target",
        "url": target.url or None,
        "percentages": target.percentages,
        "email": profile.email or None,
        "undelivered": [
            _undelivered_json(item) for item in await list_undelivered_alerts(session, account_id)
        ],
    }


async def list_undelivered_alerts(session: AsyncSession, account_id: UUID) -> list[OutboxItem]:
    """List the 10 newest alert webhooks that failed at least once and are not delivered."""
    query = (
        select(OutboxItem)
        .where(
            col(OutboxItem.account_id) == account_id,
            col(OutboxItem.action) == ALERT_ACTION,
            col(OutboxItem.done_at).is_(None),
            col(OutboxItem.last_error).is_not(None),
        )
        .order_by(col(OutboxItem.id).desc())
        .limit(10)
    )
    return list((await session.scalars(query)).all())


def _undelivered_json(item: OutboxItem) -> dict[str, Any]:
    """Return an undelivered alert as JSON; `tried_again_at` is null if it was given up."""
    return {
        "id": f"{ALERT_ACTION}_{item.id.hex}",
        "created_at": item.created_at.isoformat(),
        "attempts": item.attempts,
        "reason": item.last_error,
        "tried_again_at": None if item.given_up_at else item.due_at.isoformat(),
    }


def _validate_url(url: str) -> str:
    """Return an empty or well-formed http(s) URL unchanged. Raises AlertTargetInvalid."""
    try:
        parts = urlsplit(url)
        is_http = not url or (parts.scheme in ("https", "http") and bool(parts.hostname))
    except ValueError:
        is_http = False
    if not is_http or len(url) > _MAX_URL_LENGTH:
        raise AlertTargetInvalid(
            "Enter the webhook's URL, for example https://example.com/hook.", param="url"
        )
    return url


def require_percentages(percentages: Sequence[int]) -> list[int]:
    """Validate alert percentages; return them sorted and unique. Raises AlertTargetInvalid."""
    if not 0 < len(percentages) <= _MAX_PERCENTAGES or not all(0 < p <= 1000 for p in percentages):
        raise AlertTargetInvalid(
            f"Enter 1 to {_MAX_PERCENTAGES} percentages as whole numbers from 1 to 1000.",
            param="percentages",
        )
    return sorted(set(percentages))
