"""Dunning of overdue invoices: reminders, charge retries and suspension of calls.

    due -> reminders, each with a charge retry -> calls suspended -> restored on payment
                                                       calls suspended -> written off, if so agreed

After downtime only the step that is due now is taken; missed steps are skipped.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile, profile_collection, profile_time_zone
from billing.dates import local_day
from billing.events.emission import Event, emit_event
from billing.events.texts import localised
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.collection_items import enqueue_charge
from billing.invoices.instalments import find_unpaid_part, list_parts, sum_due_parts
from billing.invoices.invoice_events import invoice_data, invoice_page
from billing.invoices.lifecycle import get_invoice, mark_uncollectible
from billing.invoices.numbering import format_invoice_number
from billing.invoices.payment_terms import load_payment_terms
from billing.invoices.suspension import is_worth_collecting, suspend_calls
from billing.ledger.ledger import outstanding_amount
from billing.money import Money, minor_text
from billing.notifications.messages import EmailNotice, enqueue_email
from billing.rating.payment_terms import DEFAULT_DUNNING_POLICY, DunningPolicy
from billing.tables import BillingProfile, Invoice, InvoiceStatus, LegalEntity
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class DunningStage:
    """The dunning progress of an invoice: steps taken of `steps`, and when the next one is due.

    The last step suspends the account's calls; `next_at` is None after it.
    """

    taken: int
    steps: int
    next_at: datetime | None

    @property
    def last(self) -> bool:
        """Whether all steps were taken: only payment or a write-off can follow."""
        return self.taken == self.steps


def compute_dunning_stage(
    due_at: datetime, taken: int, policy: DunningPolicy = DEFAULT_DUNNING_POLICY
) -> DunningStage:
    """Return the dunning stage of an invoice with this due date and number of steps taken."""
    days = policy.days
    next_day = days[taken] if taken < len(days) else None
    next_at = None if next_day is None else due_at + timedelta(days=next_day)
    return DunningStage(taken, len(days), next_at)


async def list_overdue_invoices(session: AsyncSession, now: datetime) -> list[tuple[UUID, UUID]]:
    """List open invoices past their due date, as (account id, invoice id).

    For operators: reads across accounts (no account_id filter).
    """
    query = (
        select(col(Invoice.account_id), col(Invoice.id))
        .where(col(Invoice.status) == InvoiceStatus.OPEN.value, col(Invoice.due_at) < now)
        .order_by(col(Invoice.due_at), col(Invoice.id))
    )
    return [(account_id, invoice_id) for account_id, invoice_id in await session.execute(query)]


async def take_dunning_step(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    policy: DunningPolicy | None = None,
) -> bool:
    """Take the due dunning step of an overdue invoice; return whether one was taken.

    The days are those that the invoice became final with, unless `policy` is given. None is taken
    if no step is due, or if the amount due is too small to collect.
    """
    profile = await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    if invoice.status != InvoiceStatus.OPEN or invoice.due_at is None:
        return False
    if policy is None:
        terms = await load_payment_terms(session, account_id, invoice_id)
        policy = terms.dunning or DEFAULT_DUNNING_POLICY
    now = clock.now()
    overdue = now - invoice.due_at
    step = sum(overdue >= timedelta(days=days) for days in policy.days)
    owed = await outstanding_amount(session, account_id, invoice_id)
    parts = await list_parts(session, account_id, invoice_id)
    due = sum_due_parts(parts, owed, now)
    if not is_worth_collecting(profile, invoice, due):
        return False
    if policy.write_off is not None and overdue >= timedelta(days=policy.write_off):
        await _write_off(session, clock, invoice)
        return True
    if step <= invoice.reminders:
        return False
    invoice.reminders = step
    await session.flush()
    if step == len(policy.days):
        await suspend_calls(session, clock, account_id)
    kind = "suspended" if step == len(policy.days) else "reminder"
    notice = await _build_notice(session, profile, invoice, kind, due)
    part = find_unpaid_part(parts, owed)
    step_key = f"{step}" if part is None else f"{part.number}.{step}"
    await enqueue_email(session, clock, profile, f"invoice:{invoice.id}:dunning:{step_key}", notice)
    await _emit_overdue(session, clock, invoice, notice, due, kind == "suspended")
    if profile_collection(profile).is_charged and invoice.external_invoice is not None:
        await enqueue_charge(session, clock, invoice, f"dunning:{step}")
    return True


async def _write_off(session: AsyncSession, clock: Clock, invoice: Invoice) -> None:
    """Write an invoice off as uncollectible. Suspended calls stay suspended: nothing was paid."""
    await suspend_calls(session, clock, invoice.account_id)
    await mark_uncollectible(session, clock, invoice)
    await refresh_account_credit(session, clock, invoice.account_id)


async def _build_notice(
    session: AsyncSession, profile: BillingProfile, invoice: Invoice, kind: str, outstanding: int
) -> EmailNotice:
    """Build the e-mail of a dunning step; `outstanding` is the unpaid amount in minor units."""
    entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
    due = invoice.due_at or invoice.created_at
    values = {
        "number": format_invoice_number(entity.code, invoice.number or 0),
        "owed": str(Money(outstanding, invoice.currency)),
        "due": local_day(due, profile_time_zone(profile)).isoformat(),
    }
    return EmailNotice(kind, values)


async def _emit_overdue(
    session: AsyncSession,
    clock: Clock,
    invoice: Invoice,
    notice: EmailNotice,
    outstanding: int,
    suspended: bool,  # a field of the event
) -> None:
    """Emit `invoice.overdue`, once per dunning step."""
    data = {
        **await invoice_data(session, invoice),
        "amount_remaining": minor_text(outstanding, invoice.currency),
        "reminder": invoice.reminders,
        "suspended": suspended,
    }
    key = f"invoice.overdue:{invoice.id}:{invoice.reminders}"
    texts = localised(notice.render_without_greeting)
    page = invoice_page(invoice)
    event = Event(invoice.account_id, "invoice.overdue", key, data, texts, page)
    await emit_event(session, clock, event)
