"""Operator actions: suspend, credit and limit accounts; retry outbox items, events and jobs.

Every change is audited in its own transaction, and is idempotent: repeated, it is done and audited
once.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, lock_profile
from billing.collection.inbox import REFUSED_OUTCOME, requeue_event
from billing.credit.fixed_limits import set_fixed_limit
from billing.invoices.credit_notes import CreditNoteRequest, create_credit_note
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.invoices.suspension import restore_calls, suspend_calls
from billing.job_queue import retry_job
from billing.money import minor_text, nano_text
from billing.outbox import retry_item
from billing.tables import InboxEvent, OutboxItem
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.operations.idempotent import IdempotentChange, run_once
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

_MIN_REASON_LENGTH, _MAX_REASON_LENGTH = 3, 300


class ReasonMissing(AppError):
    """An operator's change has no valid reason."""

    status = 400
    type = "invalid_request_error"
    code = "reason_missing"


class NothingToRetry(AppError):
    """The outbox has no item, or the inbox no event, with this id."""

    status = 404
    type = "invalid_request_error"
    code = "nothing_to_retry"


@dataclass(frozen=True, slots=True)
class AccountChange:
    """The operator, account and reason of a change. Raises ReasonMissing when constructed."""

    actor: Actor
    account_id: UUID
    reason: str

    def __post_init__(self) -> None:
        validate_reason(self.reason)


def validate_reason(text: str) -> str:
    """Return the reason without surrounding blanks. Raises ReasonMissing if it is invalid."""
    reason = text.strip()
    if not _MIN_REASON_LENGTH <= len(reason) <= _MAX_REASON_LENGTH or not reason.isprintable():
        raise ReasonMissing("Enter a reason with 3 to 300 printable characters.", param="reason")
    return reason


async def suspend_account(session: AsyncSession, clock: Clock, change: AccountChange) -> None:
    """Suspend the account: its calls are rejected."""
    profile = await lock_profile(session, change.account_id)
    if profile.suspended_at is None:
        await suspend_calls(session, clock, change.account_id)
        await _record_in_audit_log(session, clock, change, "account.suspended")


async def restore_account(session: AsyncSession, clock: Clock, change: AccountChange) -> None:
    """End the account's suspension, whatever it owes."""
    profile = await lock_profile(session, change.account_id)
    if profile.suspended_at is not None:
        await restore_calls(session, change.account_id)
        await _record_in_audit_log(session, clock, change, "account.restored")


async def change_credit_limit(
    session: AsyncSession, clock: Clock, change: AccountChange, limit_nano: int
) -> None:
    """Set the account's credit limit, in nano-units of its currency.

    Raises LimitInvalid, CreditPolicyApplies.
    """
    before = await set_fixed_limit(session, clock, change.account_id, limit_nano, change.reason)
    if before != limit_nano:
        details = {"from": nano_text(before), "to": nano_text(limit_nano)}
        await _record_in_audit_log(session, clock, change, "credit_limit.changed", details=details)


async def credit_invoice(
    session: AsyncSession,
    clock: Clock,
    change: AccountChange,
    invoice_id: UUID,
    key: str,
    credit: CreditNoteRequest,
) -> None:
    """Create a credit note for an invoice, once per idempotency key.

    Raises the errors of `create_credit_note` and `run_once`.
    """
    invoice = ids.format_id(INVOICE_ID_PREFIX, invoice_id)

    async def create_and_audit(session: AsyncSession) -> dict[str, Any]:
        """Create the credit note and record it in the audit log; the response is empty."""
        await create_credit_note(
            session, clock, change.account_id, invoice_id, f"operator:{key}", credit
        )
        currency = await get_account_currency(session, change.account_id)
        details = {"amount": minor_text(credit.minor, currency), "refund": credit.refund}
        await _record_in_audit_log(session, clock, change, "invoice.credited", invoice, details)
        return {}

    body = msgspec.json.encode([credit.minor, credit.reason, credit.refund])
    request = IdempotentChange(change.account_id, f"operator: credit {invoice}", body, key)
    await run_once(session, request, create_and_audit)


async def retry_outbox_item(
    session: AsyncSession, clock: Clock, actor: Actor, item_id: UUID
) -> None:
    """Retry an outbox item that was given up. Does nothing if it was not given up.

    Raises NothingToRetry if there is no such item.
    """
    item = await session.get(OutboxItem, item_id, with_for_update=True)
    if item is None:
        raise NothingToRetry("Outbox item not found.")
    if item.given_up_at is not None:
        account_id, action = item.account_id, item.action
        await retry_item(session, clock, item_id)
        await record_audit_event(
            session, clock, actor, account_id, "outbox.retried", item_id.hex, {"of": action}
        )


async def retry_inbox_event(
    session: AsyncSession, clock: Clock, actor: Actor, event_id: str
) -> None:
    """Process a rejected event of a payment provider again. Does nothing if it was not rejected.

    Raises NothingToRetry if there is no such event.
    """
    event = await session.get(InboxEvent, event_id, with_for_update=True)
    if event is None:
        raise NothingToRetry("Event not found.")
    if event.handled_at is not None and (event.outcome or "").startswith(REFUSED_OUTCOME):
        kind = event.kind
        await requeue_event(session, clock, event_id)
        await record_audit_event(
            session, clock, actor, None, "inbox.retried", event_id, {"of": kind}
        )


async def retry_failed_job(session: AsyncSession, clock: Clock, actor: Actor, job_id: int) -> None:
    """Queue a failed background job again. Does nothing if it has not failed."""
    task = await retry_job(session, clock, job_id)
    if task is not None:
        await record_audit_event(
            session, clock, actor, None, "job.retried", str(job_id), {"of": task}
        )


async def _record_in_audit_log(
    session: AsyncSession,
    clock: Clock,
    change: AccountChange,
    action: str,
    subject: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    """Record an action on the account with the operator and the reason of the change."""
    details = {"reason": change.reason.strip(), **(details or {})}
    await record_audit_event(
        session, clock, change.actor, change.account_id, action, subject, details
    )
