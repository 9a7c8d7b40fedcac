"""An account's alert target: its webhook URL, secret and alert percentages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile, lock_profile
from billing.tables import AlertTarget, NotificationDelivery, NotificationEndpoint
from infra import ids
from infra.errors import AppError
from infra.outbound.webhook_post import new_secret

DEFAULT_PERCENTAGES = (50, 80, 100)
# The action of alerts in the outbox of the previous version, and the prefix of their ids.
ALERT_ACTION = "alert"
_MAX_PERCENTAGES = 20
_MAX_URL_LENGTH = 2000


class AlertTargetInvalid(AppError):
    """The webhook URL or the alert percentages are invalid."""

    status = 400
    type = "invalid_request_error"
    code = "alert_target_invalid"


@dataclass(frozen=True, slots=True)
class UndeliveredAlert:
    """An alert that its webhook did not accept; `due_at` is None after the last attempt."""

    id: str
    created_at: datetime
    attempts: int
    reason: str
    due_at: datetime | None


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
        await _enable_endpoint(session, account_id)
    if percentages is not None:
        target.percentages = require_percentages(percentages)
    session.add(target)
    await session.flush()
    return secret or None


async def _enable_endpoint(session: AsyncSession, account_id: UUID) -> None:
    """Enable the endpoint of the alert settings, which has another URL now."""
    await session.execute(
        update(NotificationEndpoint)
        .where(
            col(NotificationEndpoint.account_id) == account_id,
            col(NotificationEndpoint.is_alert_target),
        )
        .values(enabled=True, disabled_reason="", failing_since=None, failures=0, attempts=0)
    )


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
            _undelivered_json(alert) for alert in await list_undelivered_alerts(session, account_id)
        ],
    }


async def list_undelivered_alerts(
    session: AsyncSession, account_id: UUID
) -> list[UndeliveredAlert]:
    """List the 10 newest alert webhooks that failed at least once and are not delivered."""
    query = (
        select(NotificationDelivery)
        .join(
            NotificationEndpoint,
            col(NotificationEndpoint.id) == col(NotificationDelivery.endpoint_id),
        )
        .where(
            col(NotificationDelivery.account_id) == account_id,
            col(NotificationEndpoint.is_alert_target),
            col(NotificationDelivery.status) != "delivered",
            col(NotificationDelivery.attempts) > 0,
        )
        .order_by(col(NotificationDelivery.id).desc())
        .limit(10)
    )
    return [
        UndeliveredAlert(
            ids.format_id(ALERT_ACTION, row.event_id),
            row.created_at,
            row.attempts,
            row.last_error or "",
            row.due_at if row.status == "pending" else None,
        )
        for row in await session.scalars(query)
    ]


def _undelivered_json(alert: UndeliveredAlert) -> dict[str, Any]:
    """Return an undelivered alert as JSON; `tried_again_at` is null after the last attempt."""
    return {
        "id": alert.id,
        "created_at": alert.created_at.isoformat(),
        "attempts": alert.attempts,
        "reason": alert.reason,
        "tried_again_at": None if alert.due_at is None else alert.due_at.isoformat(),
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
