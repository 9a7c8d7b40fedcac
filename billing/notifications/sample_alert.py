"""Trying out: a test that goes where an account's alerts go, and says that it is one.

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
from billing.notifications.alert_targets import ALERT, read_target
from billing.notifications.messages import Notice, tell
from billing.tables import AlertTarget, OutboxItem
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.outbound.webhook_post import Delivery, SignedPoster

_APART = timedelta(seconds=10)


class NobodyToTell(AppError):
    """The account's alerts go nowhere: it has neither an e-mail address nor a webhook."""

    status = 409
    type = "invalid_request_error"
    code = "nobody_to_tell"


class TriedTooOften(AppError):
    """A test of the same address was sent a moment ago."""

    status = 429
    type = "rate_limit_error"
    code = "alert_test_too_soon"


@dataclass(frozen=True, slots=True)
class TryResult:
    """What a test did: whether an e-mail is queued, and how the webhook's delivery went; None
    where the account has no webhook."""

    emailed: bool
    url: str
    delivery: Delivery | None

    def to_json(self) -> dict[str, Any]:
        one = self.delivery
        webhook = one and {
            "delivered": one.delivered,
            "status": one.status,
            "duration_ms": one.duration_ms,
            "response_excerpt": one.excerpt,
            "error": one.error,
        }
        return {"object": "alert_test", "email_queued": self.emailed, "webhook": webhook}


async def try_out(
    database: Database, clock: Clock, poster: SignedPoster, account_id: UUID
) -> TryResult:
    """Queue a test e-mail, and call the webhook now, outside of any transaction. At most one test
    in ten seconds. Raises NobodyToTell, TriedTooOften."""
    async with database.transaction() as session:
        emailed, target, test = await _begin(session, clock, account_id)
    if not target.url:
        return TryResult(emailed, "", None)
    said = {"type": "alert.test", "timestamp": test.at.isoformat(), "data": test.data}
    delivery = await poster.deliver(target.url, target.secret, test.key, said, test.at)
    return TryResult(emailed, target.url, delivery)


@dataclass(frozen=True, slots=True)
class _Test:
    key: str
    at: datetime
    data: dict[str, str]


async def _begin(
    session: AsyncSession, clock: Clock, account_id: UUID
) -> tuple[bool, AlertTarget, _Test]:
    """Claim the test, so that many requests do not become many calls of a customer's system."""
    profile = await lock_profile(session, account_id)
    target = await read_target(session, account_id)
    if not profile.email and not target.url:
        raise NobodyToTell("There is neither an e-mail address nor a webhook to send a test to.")
    now = clock.now()
    await _require_rare(session, account_id, now)
    mail = f"alert-test:{account_id}:{now:%Y%m%dT%H%M}"
    await tell(session, clock, profile, mail, Notice("alert_test", {}))
    row = OutboxItem(
        id=ids.new_id(),
        account_id=account_id,
        action=ALERT,
        subject=f"alert-test:{account_id}",
        business_key=f"alert-test:{account_id}:{ids.new_id().hex}",
        payload={"type": "alert.test"},
        created_at=now,
        due_at=now,
        done_at=now,
    )
    session.add(row)
    await session.flush()
    data = {"account": ids.show("acct", account_id)}
    return bool(profile.email), target, _Test(f"{ALERT}_{row.id.hex}", now, data)


async def _require_rare(session: AsyncSession, account_id: UUID, now: datetime) -> None:
    query = select(func.count()).where(
        col(OutboxItem.account_id) == account_id,
        col(OutboxItem.subject) == f"alert-test:{account_id}",
        col(OutboxItem.created_at) > now - _APART,
    )
    if (await session.execute(query)).scalar_one():
        raise TriedTooOften("A test was sent a moment ago. Try again in ten seconds.")
