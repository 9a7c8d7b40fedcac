"""Operating: what the platform's people change about an account, each with its reason, and what
they have tried once more.

Every change is written to the audit log in its own transaction; asked for twice, it is done and
written once.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import currency_of, lock_profile
from billing.collection.stripe.inbox import REFUSED, handle_again
from billing.invoices.credit_notes import Credit, write_credit_note
from billing.invoices.lifecycle import PREFIX
from billing.invoices.suspension import restore, suspend
from billing.job_queue import retry_job
from billing.metering.quotas import set_credit_limit
from billing.money import minor_text, nano_text
from billing.outbox import retry
from billing.tables import InboxEvent, OutboxItem
from gateway.identity.audit_log import Actor, record
from gateway.operations.idempotent import Wish, once
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

_LEAST, _MOST = 3, 300


class ReasonMissing(AppError):
    """Whoever changes something about an account says why."""

    status = 400
    type = "invalid_request_error"
    code = "reason_missing"


class NothingToRetry(AppError):
    """There is nothing of this id in the outbox or the inbox."""

    status = 404
    type = "invalid_request_error"
    code = "nothing_to_retry"


@dataclass(frozen=True, slots=True)
class Order:
    """Who changes what account, and why. Raises ReasonMissing."""

    by: Actor
    account_id: UUID
    reason: str

    def __post_init__(self) -> None:
        require_reason(self.reason)


def require_reason(text: str) -> str:
    """Why something is done, without blanks around it. Raises ReasonMissing."""
    said = text.strip()
    if not _LEAST <= len(said) <= _MOST or not said.isprintable():
        raise ReasonMissing("A reason has 3 to 300 printable characters.", param="reason")
    return said


async def suspend_account(session: AsyncSession, clock: Clock, order: Order) -> None:
    """Stop the account's calls."""
    profile = await lock_profile(session, order.account_id)
    if profile.suspended_at is None:
        await suspend(session, clock, order.account_id)
        await _record(session, clock, order, "account.suspended")


async def restore_account(session: AsyncSession, clock: Clock, order: Order) -> None:
    """Let the account call again, whatever it owes."""
    profile = await lock_profile(session, order.account_id)
    if profile.suspended_at is not None:
        await restore(session, order.account_id)
        await _record(session, clock, order, "account.restored")


async def change_credit_limit(
    session: AsyncSession, clock: Clock, order: Order, limit_nano: int
) -> None:
    """What the account may owe from now on. Raises LimitInvalid."""
    place = session, clock, order.account_id
    before = await set_credit_limit(*place, limit_nano, order.reason)
    if before != limit_nano:
        details = {"from": nano_text(before), "to": nano_text(limit_nano)}
        await _record(session, clock, order, "credit_limit.changed", details=details)


async def credit_invoice(
    session: AsyncSession, clock: Clock, order: Order, invoice_id: UUID, key: str, credit: Credit
) -> None:
    """Write a credit note, once for each key. Raises what `write_credit_note` and `once` do."""
    invoice = ids.show(PREFIX, invoice_id)

    async def change(session: AsyncSession) -> dict[str, Any]:
        place = session, clock, order.account_id
        await write_credit_note(*place, invoice_id, f"operator:{key}", credit)
        currency = await currency_of(session, order.account_id)
        details = {"amount": minor_text(credit.minor, currency), "refund": credit.refund}
        await _record(session, clock, order, "invoice.credited", invoice, details)
        return {}

    body = msgspec.json.encode([credit.minor, credit.reason, credit.refund])
    await once(session, Wish(order.account_id, f"operator: credit {invoice}", body, key), change)


async def retry_item(session: AsyncSession, clock: Clock, by: Actor, item_id: UUID) -> None:
    """Try once more to do what the outbox gave up. Raises NothingToRetry where there is no such
    item; one that was not given up stays as it is."""
    item = await session.get(OutboxItem, item_id, with_for_update=True)
    if item is None:
        raise NothingToRetry("There is no such item.")
    if item.given_up_at is not None:
        account_id, action = item.account_id, item.action
        await retry(session, clock, item_id)
        await record(session, clock, by, account_id, "outbox.retried", item_id.hex, {"of": action})


async def retry_event(session: AsyncSession, clock: Clock, by: Actor, event_id: str) -> None:
    """Go through a refused event once more. Raises NothingToRetry where there is no such event;
    one that was not refused stays as it is."""
    event = await session.get(InboxEvent, event_id, with_for_update=True)
    if event is None:
        raise NothingToRetry("There is no such event.")
    if event.handled_at is not None and (event.outcome or "").startswith(REFUSED):
        kind = event.kind
        await handle_again(session, clock, event_id)
        await record(session, clock, by, None, "inbox.retried", event_id, {"of": kind})


async def rerun_job(session: AsyncSession, clock: Clock, by: Actor, job_id: int) -> None:
    """Have a failed job run once more; one that has not failed stays as it is."""
    task = await retry_job(session, clock, job_id)
    if task is not None:
        await record(session, clock, by, None, "job.retried", str(job_id), {"of": task})


async def _record(
    session: AsyncSession,
    clock: Clock,
    order: Order,
    action: str,
    subject: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    said = {"reason": order.reason.strip(), **(details or {})}
    await record(session, clock, order.by, order.account_id, action, subject, said)
