"""Where an account's alerts go: its webhook, and the percentages from which on it is told."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile, read_profile
from billing.tables import AlertTarget, OutboxItem
from infra.errors import AppError
from infra.outbound.webhook_post import new_secret

PERCENTAGES = (50, 80, 100)
ALERT = "alert"  # the outbox's action
_MOST_PERCENTAGES = 20
_LONGEST = 2000


class AlertTargetInvalid(AppError):
    """An address that is no http or https URL, or percentages that are none."""

    status = 400
    type = "invalid_request_error"
    code = "alert_target_invalid"


async def read_target(session: AsyncSession, account_id: UUID) -> AlertTarget:
    """Where an account's alerts go; the usual percentages and no webhook unless it said so."""
    found = await session.get(AlertTarget, account_id)
    return found or AlertTarget(account_id=account_id, percentages=list(PERCENTAGES))


async def set_target(
    session: AsyncSession,
    account_id: UUID,
    url: str | None = None,
    percentages: Sequence[int] | None = None,
) -> str | None:
    """Change either from now on; None leaves it, and an empty address ends the webhook. A new
    address has a new secret, which is given back. Raises AlertTargetInvalid."""
    await lock_profile(session, account_id)
    target = await read_target(session, account_id)
    secret = ""
    if url is not None and url != target.url:
        secret = new_secret() if _checked(url) else ""
        target.url, target.secret = url, secret
    if percentages is not None:
        target.percentages = require_percentages(percentages)
    session.add(target)
    await session.flush()
    return secret or None


async def target_json(session: AsyncSession, account_id: UUID) -> dict[str, Any]:
    """Where alerts go, and those that could not be delivered. The secret is never shown again."""
    target = await read_target(session, account_id)
    profile = await read_profile(session, account_id)
    return {
        "object": "alert_target",
        "url": target.url or None,
        "percentages": target.percentages,
        "email": profile.email or None,
        "undelivered": [_undelivered_json(item) for item in await undelivered(session, account_id)],
    }


async def undelivered(session: AsyncSession, account_id: UUID) -> list[OutboxItem]:
    """The newest webhooks that were tried and not taken."""
    query = (
        select(OutboxItem)
        .where(
            col(OutboxItem.account_id) == account_id,
            col(OutboxItem.action) == ALERT,
            col(OutboxItem.done_at).is_(None),
            col(OutboxItem.last_error).is_not(None),
        )
        .order_by(col(OutboxItem.id).desc())
        .limit(10)
    )
    return list((await session.scalars(query)).all())


def _undelivered_json(item: OutboxItem) -> dict[str, Any]:
    return {
        "id": f"{ALERT}_{item.id.hex}",
        "created_at": item.created_at.isoformat(),
        "attempts": item.attempts,
        "reason": item.last_error,
        "tried_again_at": None if item.given_up_at else item.due_at.isoformat(),
    }


def _checked(url: str) -> str:
    try:
        said = urlsplit(url)
        plain = not url or (said.scheme in ("https", "http") and bool(said.hostname))
    except ValueError:
        plain = False
    if not plain or len(url) > _LONGEST:
        raise AlertTargetInvalid("A webhook's address is a URL, as https://…", param="url")
    return url


def require_percentages(percentages: Sequence[int]) -> list[int]:
    """The percentages, each once. Raises AlertTargetInvalid."""
    if not 0 < len(percentages) <= _MOST_PERCENTAGES or not all(0 < p <= 1000 for p in percentages):
        raise AlertTargetInvalid(
            f"Percentages are 1 to {_MOST_PERCENTAGES} whole numbers from 1 to 1000.",
            param="percentages",
        )
    return sorted(set(percentages))
