"""Add-ons added and removed by customers during a paid period, with the resulting documents.

    more: invoiced at once for the rest of the paid period, by days
    fewer: credited for the rest of the paid period, by credit notes on the invoices that charged it

Fees of the following periods are charged with the fee of the plan. In a trial nothing is charged
until the first fee.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile, lock_profile
from billing.audit_events import EventFields, MoneyEvent, log_event
from billing.invoices.add_on_fees import list_add_on_invoices, rest_of_paid_period
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.calculation import compute_amounts
from billing.invoices.credit_notes import (
    CreditNoteRequest,
    create_credit_note,
    creditable_amount,
)
from billing.invoices.lifecycle import create_draft, finalize_invoice, replace_draft_lines
from billing.invoices.period_close import close_and_invoice
from billing.metering.key_epoch import advance_epoch
from billing.rating.fees import add_on_line
from billing.rating.statement import LineKind, StatementLine
from billing.rating.terms import AddOn
from billing.subscriptions.add_ons import list_active_add_ons, replace_add_on
from billing.subscriptions.subscriptions import (
    SubscriptionState,
    billing_calendar,
    require_subscription,
)
from billing.tables import BillingProfile, CreditNote, Invoice, SubscriptionAddOn
from infra import ids
from infra.clock import Clock
from infra.errors import AppError


class AddOnNotFound(AppError):
    """The account's plan does not offer an add-on with this name."""

    status = 404
    type = "invalid_request_error"
    code = "add_on_not_found"


class AddOnQuantityInvalid(AppError):
    """The quantity is negative or above the most that the plan offers."""

    status = 400
    type = "invalid_request_error"
    code = "add_on_quantity_invalid"


@dataclass(frozen=True, slots=True)
class AddOnPreview:
    """What a change of an add-on charges now: minor units with tax, negative for a credit.

    `line` is the fee for the rest of the paid period; None if nothing is charged.
    """

    add_on: AddOn
    quantity: int
    before: int
    line: StatementLine | None
    total: int


@dataclass(frozen=True, slots=True)
class AddOnChange:
    """Result of a change of an add-on: the invoice or the credit notes created at once."""

    quantity: int
    invoices: tuple[Invoice, ...] = ()
    credit_notes: tuple[CreditNote, ...] = ()


async def preview_add_on(
    session: AsyncSession, clock: Clock, account_id: UUID, name: str, quantity: int
) -> AddOnPreview:
    """Return what `set_add_on` would charge now.

    Raises NotSubscribed, AddOnNotFound, AddOnQuantityInvalid.
    """
    profile = await get_profile(session, account_id)
    subscription = await require_subscription(session, account_id, clock.now())
    return await _preview(session, clock, profile, subscription, name, quantity)


async def set_add_on(
    session: AsyncSession, clock: Clock, account_id: UUID, name: str, quantity: int
) -> AddOnChange:
    """Set how many of an add-on the account has from now on; 0 removes it.

    The same quantity changes nothing. Raises NotSubscribed, AddOnNotFound, AddOnQuantityInvalid.
    """
    profile, now = await lock_profile(session, account_id), clock.now()
    subscription = await require_subscription(session, account_id, now)
    await close_and_invoice(session, clock, account_id, grace=None)
    preview = await _preview(session, clock, profile, subscription, name, quantity)
    if quantity == preview.before:
        return AddOnChange(quantity)
    current = await _find_active(session, clock, account_id, name)
    await replace_add_on(session, account_id, current, name, quantity, now)
    change = await _charge(session, clock, profile, subscription, preview)
    version_id = subscription.phase.plan_version_id
    fields: EventFields = {"add_on": name, "quantity": quantity, "plan_version_id": version_id}
    log_event(session, MoneyEvent.ADD_ON_CHANGED, account_id, **fields)
    await refresh_account_credit(session, clock, account_id)
    await advance_epoch(session, account_id)
    return change


async def _preview(
    session: AsyncSession,
    clock: Clock,
    profile: BillingProfile,
    subscription: SubscriptionState,
    name: str,
    quantity: int,
) -> AddOnPreview:
    """Return what a change charges. Raises AddOnNotFound, AddOnQuantityInvalid."""
    terms, now = subscription.terms, clock.now()
    add_on = terms.add_on(name)
    if add_on is None:
        raise AddOnNotFound(f"Your plan has no add-on {name[:60]!r}.", param="add_on")
    if not 0 <= quantity <= add_on.max_quantity:
        raise AddOnQuantityInvalid(
            f"The quantity must be from 0 to {add_on.max_quantity}.", param="quantity"
        )
    current = await _find_active(session, clock, profile.account_id, name)
    before = 0 if current is None else current.quantity
    rest = rest_of_paid_period(terms, billing_calendar(profile), subscription.phase, now)
    changed = abs(quantity - before)
    line = add_on_line(terms, name, changed, rest) if rest is not None and changed else None
    if line is None or not line.minor:
        return AddOnPreview(add_on, quantity, before, None, 0)
    total = (await compute_amounts(session, profile, [line])).taxed.total
    if quantity < before:
        credit = replace(line, kind=LineKind.UNUSED_ADD_ON, minor=-line.minor)
        return AddOnPreview(add_on, quantity, before, credit, -total)
    return AddOnPreview(add_on, quantity, before, line, total)


async def _charge(
    session: AsyncSession,
    clock: Clock,
    profile: BillingProfile,
    subscription: SubscriptionState,
    preview: AddOnPreview,
) -> AddOnChange:
    """Issue the invoice of more, or the credit notes of fewer."""
    line = preview.line
    if line is None or line.starts_at is None or line.ends_at is None:
        return AddOnChange(preview.quantity)
    if line.kind is LineKind.UNUSED_ADD_ON:
        notes = await _credit(session, clock, profile.account_id, subscription, preview)
        return AddOnChange(preview.quantity, credit_notes=tuple(notes))
    invoice = await create_draft(session, profile, line.starts_at, line.ends_at, clock.now())
    await replace_draft_lines(session, profile, invoice, [line])
    invoice = await finalize_invoice(session, clock, profile, invoice)
    return AddOnChange(preview.quantity, (invoice,))


async def _credit(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    subscription: SubscriptionState,
    preview: AddOnPreview,
) -> list[CreditNote]:
    """Credit the rest of the paid period on the invoices that charged it, the newest first.

    Credits at most what they charged: an invoice that was voided or written off gives nothing.
    """
    add_on, left, notes = preview.add_on, -preview.total, []
    reason = f"{add_on.names['en']} / {add_on.names['zh']}"
    phase = subscription.phase
    for invoice in await list_add_on_invoices(session, account_id, phase, add_on.name):
        amount = min(left, await creditable_amount(session, invoice))
        if amount > 0:
            key, request = f"add_on:{ids.new_id()}", CreditNoteRequest(amount, reason)
            place = (session, clock, account_id, invoice.id)
            notes.append(await create_credit_note(*place, key, request))
            left -= amount
    return notes


async def _find_active(
    session: AsyncSession, clock: Clock, account_id: UUID, name: str
) -> SubscriptionAddOn | None:
    """Return the account's current row of an add-on, or None if it has none."""
    rows = await list_active_add_ons(session, account_id, clock.now())
    return next((row for row in rows if row.name == name), None)
