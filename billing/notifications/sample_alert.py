"""Send a test alert to an account's webhook and e-mail address.

The webhook is called at once, so that the result can be shown; the e-mail is queued.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.notifications.alert_targets import ALERT_ACTION, get_alert_target
from billing.notifications.messages import EmailNotice, enqueue_email
from billing.tables import AlertTarget, OutboxItem
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.outbound.webhook_post import DeliveryResult, SignedPoster

_MIN_INTERVAL = timedelta(seconds=10)


class NoAlertRecipient(AppError):
    """The account has neither an e-mail address nor a webhook for alerts."""

    status = 409
    type = "invalid_request_error"
    code = "nobody_to_tell"


class SampleAlertTooSoon(AppError):
    """A test alert was sent less than ten seconds ago."""

    status = 429
    type = "rate_limit_error"
    code = "alert_test_too_soon"


@dataclass(frozen=True, slots=True)
class SampleAlertResult:
    """Result of a test alert: whether an e-mail is queued, and the webhook's delivery (None
    without a webhook)."""

    emailed: bool
    url: str
    delivery: DeliveryResult | None

    def to_json(self) -> dict[str, Any]:
        """Return the result as the API shows it; `webhook` is null without a webhook."""
        delivery = self.delivery
        webhook = delivery and {
            "delivered": delivery.delivered,
            "status": delivery.status,
            "duration_ms": delivery.duration_ms,
            "response_excerpt": delivery.excerpt,
            "error": delivery.error,
        }
        return {"object": "alert_test", "email_queued": self.emailed, "webhook": webhook}


async def send_sample_alert(
    database: Database, clock: Clock, poster: SignedPoster, account_id: UUID
) -> SampleAlertResult:
    """Queue a test e-mail and call the webhook, outside of any transaction.

    At most one test in ten seconds. Raises NoAlertRecipient, SampleAlertTooSoon.
    """
    async with database.transaction() as session:
        emailed, target, test = await _claim_test(session, clock, account_id)
    if not target.url:
        return SampleAlertResult(emailed, "", None)
    payload = {"type": "alert.test", "timestamp": test.at.isoformat(), "data": test.data}
    delivery = await poster.deliver(target.url, target.secret, test.key, payload, test.at)
    return SampleAlertResult(emailed, target.url, delivery)


@dataclass(frozen=True, slots=True)
class _TestEvent:
    """The webhook event of a test alert."""

    key: str
    at: datetime
    data: dict[str, str]


async def _claim_test(
    session: AsyncSession, clock: Clock, account_id: UUID
) -> tuple[bool, AlertTarget, _TestEvent]:
    """Enqueue the test e-mail and record the test; return (e-mail queued, target, event)."""
    profile = await lock_profile(session, account_id)
    target = await get_alert_target(session, account_id)
    if not profile.email and not target.url:
        raise NoAlertRecipient("The account has no e-mail address or webhook. Set one first.")
    now = clock.now()
    await _require_min_interval(session, account_id, now)
    mail = f"alert-test:{account_id}:{now:%Y%m%dT%H%M}"
    await enqueue_email(session, clock, profile, mail, EmailNotice("alert_test", {}))
    row = OutboxItem(
        id=ids.new_id(),
        account_id=account_id,
        action=ALERT_ACTION,
        subject=f"alert-test:{account_id}",
        business_key=f"alert-test:{account_id}:{ids.new_id().hex}",
        payload={"type": "alert.test"},
        created_at=now,
        due_at=now,
        done_at=now,
    )
    session.add(row)
    await session.flush()
    data = {"account": ids.format_id("acct", account_id)}
    return bool(profile.email), target, _TestEvent(f"{ALERT_ACTION}_{row.id.hex}", now, data)


async def _require_min_interval(session: AsyncSession, account_id: UUID, now: datetime) -> None:
    """Raise SampleAlertTooSoon if the account sent a test in the last 10 seconds."""
    query = select(func.count()).where(
        col(OutboxItem.account_id) == account_id,
        col(OutboxItem.subject) == f"alert-test:{account_id}",
        col(OutboxItem.created_at) > now - _MIN_INTERVAL,
    )
    if (await session.execute(query)).scalar_one():
        raise SampleAlertTooSoon("A test was sent a moment ago. Try again in 10 seconds.")
