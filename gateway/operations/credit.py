"""Operators' changes of credit policies, overrides, securities and exposure, each audited.

Pages and CLI call the same functions.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, lock_profile
from billing.credit.deposits import (
    apply_deposit,
    list_deposit_movements,
    receive_deposit,
    return_deposit,
)
from billing.credit.errors import CreditPolicyInvalid, GuaranteeNotFound
from billing.credit.evaluation import evaluate_credit
from billing.credit.exposure import set_exposure_limit
from billing.credit.guarantees import GUARANTEE_ID_PREFIX, add_guarantee, end_guarantee
from billing.credit.overrides import end_override, override_limit
from billing.credit.policies import assign_policy, lock_credit_terms, publish_policy
from billing.credit.policy_file import parse_policy_file
from billing.credit.views import POLICY_ID_PREFIX
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.invoices.payment_failures import record_chargeback
from billing.money import minor_text
from billing.rating.payment_terms import DunningPolicy
from billing.tables import CreditGuarantee, CreditPolicyVersion, DepositMovement, Invoice
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.operations.accounts import AccountChange
from infra import ids
from infra.clock import Clock


async def publish_credit_policy(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    text: str,
    effective_from: datetime | None = None,
) -> CreditPolicyVersion:
    """Publish a policy file as the policy's next version. Raises CreditPolicyInvalid."""
    version = await publish_policy(session, clock, parse_policy_file(text), effective_from)
    subject = ids.format_id(POLICY_ID_PREFIX, version.id)
    details = {
        "policy": version.policy,
        "number": version.number,
        "effective_from": version.effective_from.isoformat(),
    }
    action = "credit.policy_published"
    await record_audit_event(session, clock, actor, None, action, subject, details)
    return version


async def assign_credit_policy(
    session: AsyncSession, clock: Clock, change: AccountChange, policy: str | None
) -> None:
    """Assign a policy to an account, `none` for a fixed limit or None for its plan's policy.

    The limit is decided at once. Raises CreditPolicyNotFound.
    """
    currency = await get_account_currency(session, change.account_id)
    before = await assign_policy(session, change.account_id, currency, policy)
    if before == policy:
        return
    await _audit(session, clock, change, "policy_assigned", {"from": before, "to": policy})
    await evaluate_credit(session, clock, change.account_id, f"assignment:{ids.new_id()}")


async def override_credit_limit(
    session: AsyncSession, clock: Clock, change: AccountChange, minor: int, expires_at: datetime
) -> None:
    """Override an account's limit until a time. Raises CreditPolicyMissing, OverrideInvalid."""
    account_id = change.account_id
    await override_limit(session, clock, account_id, minor, expires_at, change.reason.strip())
    details = {
        "limit": await _amount(session, account_id, minor),
        "until": expires_at.isoformat(),
    }
    await _audit(session, clock, change, "overridden", details)


async def end_credit_override(session: AsyncSession, clock: Clock, change: AccountChange) -> None:
    """End an account's override now; does nothing if there is none."""
    if await end_override(session, clock, change.account_id) is not None:
        await _audit(session, clock, change, "override_ended", {})


async def record_deposit(
    session: AsyncSession, clock: Clock, change: AccountChange, minor: int, reference: str
) -> DepositMovement:
    """Record a deposit received. Raises DepositInvalid, DepositConflict."""
    known = await _list_movement_ids(session, change.account_id)
    row = await receive_deposit(session, clock, change.account_id, minor, reference)
    await _audit_deposit(session, clock, change, "deposit_received", row, known)
    return row


async def refund_deposit(
    session: AsyncSession, clock: Clock, change: AccountChange, minor: int, reference: str
) -> DepositMovement:
    """Record a deposit returned. Raises DepositInvalid, DepositConflict, DepositTooSmall."""
    known = await _list_movement_ids(session, change.account_id)
    row = await return_deposit(session, clock, change.account_id, minor, reference)
    await _audit_deposit(session, clock, change, "deposit_returned", row, known)
    return row


async def use_deposit(
    session: AsyncSession,
    clock: Clock,
    change: AccountChange,
    invoice_id: UUID,
    reference: str,
    minor: int | None = None,
) -> DepositMovement:
    """Apply the deposit to an overdue invoice. Raises the errors of `apply_deposit`."""
    known = await _list_movement_ids(session, change.account_id)
    place = (session, clock, change.account_id, invoice_id, reference)
    row = await apply_deposit(*place, minor)
    await _audit_deposit(session, clock, change, "deposit_applied", row, known)
    return row


async def record_guarantee(
    session: AsyncSession,
    clock: Clock,
    change: AccountChange,
    guarantor: str,
    minor: int,
    valid_until: datetime,
    reference: str,
) -> CreditGuarantee:
    """Record a guarantee. Raises GuaranteeInvalid."""
    place = (session, clock, change.account_id)
    row = await add_guarantee(*place, guarantor, minor, valid_until, reference)
    details = {
        "guarantor": row.guarantor,
        "amount": await _amount(session, change.account_id, minor),
        "valid_until": valid_until.isoformat(),
        "refused": row.refusal is not None,
    }
    subject = ids.format_id(GUARANTEE_ID_PREFIX, row.id)
    await _audit(session, clock, change, "guarantee_added", details, subject)
    return row


async def withdraw_guarantee(
    session: AsyncSession, clock: Clock, change: AccountChange, public_id: str
) -> CreditGuarantee:
    """End a guarantee (`guar_…`) now. Raises GuaranteeNotFound."""
    guarantee_id = ids.parse_id(GUARANTEE_ID_PREFIX, public_id)
    if guarantee_id is None:
        raise GuaranteeNotFound("The account has no such guarantee.", param="guarantee")
    row = await end_guarantee(session, clock, change.account_id, guarantee_id)
    subject = ids.format_id(GUARANTEE_ID_PREFIX, row.id)
    await _audit(session, clock, change, "guarantee_ended", {}, subject)
    return row


async def change_exposure_limit(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    scope: str,
    subject: str,
    currency: str,
    minor: int | None,
) -> None:
    """Set or, with None, remove an exposure limit. Raises ExposureLimitInvalid."""
    await set_exposure_limit(session, scope, subject, currency, minor)
    details = {
        "scope": scope,
        "subject": subject,
        "currency": currency,
        "limit": None if minor is None else minor_text(minor, currency),
    }
    action = "credit.exposure_limit_changed"
    await record_audit_event(session, clock, actor, None, action, subject, details)


async def change_dunning_days(
    session: AsyncSession,
    clock: Clock,
    change: AccountChange,
    reminders: Sequence[int],
    suspend: int | None,
    write_off: int | None = None,
) -> DunningPolicy | None:
    """Set an account's own dunning days, or its plan's again if `suspend` is None.

    They apply to invoices that become final from now on. Raises CreditPolicyInvalid.
    """
    policy = None
    if suspend is not None:
        try:
            policy = DunningPolicy(tuple(reminders), suspend, write_off)
        except ValueError as error:
            raise CreditPolicyInvalid(f"{error}.", param="suspend_day") from None
    terms = await lock_credit_terms(session, change.account_id)
    stored = None if policy is None else asdict(policy)
    terms.dunning = stored
    await session.flush()
    await _audit(session, clock, change, "dunning_changed", {"days": stored})
    return policy


async def charge_back_payment(
    session: AsyncSession, clock: Clock, change: AccountChange, payment_reference: str
) -> Invoice:
    """Record that a payment was taken back. Raises PaymentNotFound, InvalidInvoiceState."""
    place = (session, clock, change.account_id)
    invoice = await record_chargeback(*place, payment_reference)
    details = {"reason": change.reason.strip(), "payment": payment_reference}
    subject = ids.format_id(INVOICE_ID_PREFIX, invoice.id)
    action = "payment.charged_back"
    await record_audit_event(
        session, clock, change.actor, change.account_id, action, subject, details
    )
    return invoice


async def _audit_deposit(
    session: AsyncSession,
    clock: Clock,
    change: AccountChange,
    action: str,
    row: DepositMovement,
    known: set[UUID],
) -> None:
    """Record a movement of a deposit in the audit log, unless it was recorded before."""
    if row.id in known:
        return
    amount = await _amount(session, change.account_id, row.minor)
    details = {"amount": amount, "reference": row.reference}
    invoice = row.invoice_id and ids.format_id(INVOICE_ID_PREFIX, row.invoice_id)
    await _audit(session, clock, change, action, details, invoice or "")


async def _list_movement_ids(session: AsyncSession, account_id: UUID) -> set[UUID]:
    """Return the ids of an account's deposit movements, with its billing profile locked."""
    await lock_profile(session, account_id)
    return {row.id for row in await list_deposit_movements(session, account_id)}


async def _audit(
    session: AsyncSession,
    clock: Clock,
    change: AccountChange,
    action: str,
    details: dict[str, Any],
    subject: str = "",
) -> None:
    """Record a change with its operator and reason in the audit log."""
    details = {"reason": change.reason.strip(), **details}
    await record_audit_event(
        session, clock, change.actor, change.account_id, f"credit.{action}", subject, details
    )


async def _amount(session: AsyncSession, account_id: UUID, minor: int) -> str:
    """Return an amount of the account's currency as decimal text."""
    return minor_text(minor, await get_account_currency(session, account_id))
