"""Dunning: what happens while an invoice is overdue.

    due -> reminders, and another try to charge -> calls suspended -> restored on payment

After days of downtime only the step that is due now is taken, not all that were missed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import Collection, lock_profile, zone
from billing.collection.stripe.webhooks import charge_again
from billing.dates import day_of
from billing.invoices.lifecycle import get_invoice
from billing.invoices.numbering import invoice_number
from billing.invoices.suspension import is_worth, suspend
from billing.ledger.ledger import owed
from billing.money import Money
from billing.notifications.messages import Notice, tell
from billing.tables import BillingProfile, Invoice, InvoiceStatus, LegalEntity
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class DunningPolicy:
    """Days after the due date on which an account is reminded, and after which it is stopped."""

    reminders: tuple[int, ...] = (1, 5, 10)
    suspend: int = 15

    @property
    def days(self) -> tuple[int, ...]:
        return (*self.reminders, self.suspend)


USUAL = DunningPolicy()


@dataclass(frozen=True, slots=True)
class Stage:
    """How far dunning of an invoice is: steps taken of all, the last of which stops the account's
    calls, and when the next one is due; None after the last."""

    taken: int
    steps: int
    next_at: datetime | None

    @property
    def last(self) -> bool:
        """Whether nothing is left but to wait, or to give it up."""
        return self.taken == self.steps


def stage_of(due_at: datetime, taken: int, policy: DunningPolicy = USUAL) -> Stage:
    """The stage of an invoice that was due then, and of which so many steps were taken."""
    days = policy.days
    left = days[taken] if taken < len(days) else None
    return Stage(taken, len(days), None if left is None else due_at + timedelta(days=left))


async def overdue_invoices(session: AsyncSession, now: datetime) -> list[tuple[UUID, UUID]]:
    """Open invoices past their due date, as (account, invoice). For operators: it looks across
    accounts (account_id)."""
    query = (
        select(col(Invoice.account_id), col(Invoice.id))
        .where(col(Invoice.status) == InvoiceStatus.OPEN.value, col(Invoice.due_at) < now)
        .order_by(col(Invoice.due_at), col(Invoice.id))
    )
    return [(account_id, invoice_id) for account_id, invoice_id in await session.execute(query)]


async def dun(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    policy: DunningPolicy = USUAL,
) -> bool:
    """Take the step that is due for an overdue invoice; False where there is none now."""
    profile = await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    if invoice.status != InvoiceStatus.OPEN or invoice.due_at is None:
        return False
    late = clock.now() - invoice.due_at
    reached = sum(late >= timedelta(days=days) for days in policy.days)
    left = await owed(session, account_id, invoice_id)
    if reached <= invoice.reminders or not is_worth(profile, invoice, left):
        return False
    invoice.reminders = reached
    await session.flush()
    if reached == len(policy.days):
        await suspend(session, clock, account_id)
    kind = "suspended" if reached == len(policy.days) else "reminder"
    notice = await _notice(session, profile, invoice, kind, left)
    await tell(session, clock, profile, f"invoice:{invoice.id}:dunning:{reached}", notice)
    if profile.collection == Collection.STRIPE_CHARGE and invoice.stripe_invoice is not None:
        await charge_again(session, clock, invoice, f"dunning:{reached}")
    return True


async def _notice(
    session: AsyncSession, profile: BillingProfile, invoice: Invoice, kind: str, left: int
) -> Notice:
    entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
    due = invoice.due_at or invoice.created_at
    values = {
        "number": invoice_number(entity.code, invoice.number or 0),
        "owed": str(Money(left, invoice.currency)),
        "due": day_of(due, zone(profile)).isoformat(),
    }
    return Notice(kind, values)
