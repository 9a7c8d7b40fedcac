"""Crediting: a credit note for what of an outcome's line is not owed after all.

Lines are before tax unless their terms include it; a credit note is with tax.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import read_profile
from billing.invoices.credit_notes import Credit, credit_notes_of, write_credit_note
from billing.outcomes.settlement.wording import say
from billing.rating.taxes import Tax, TaxTreatment, taxed
from billing.subscriptions.plans import terms_of
from billing.tables import CreditNote, Invoice, InvoiceStatus, OutcomeCredit, OutcomeSettlement
from infra import ids
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is credited: a place in the words, and what it is about."""

    place: str
    about: str


async def credit_invoice(
    session: AsyncSession,
    clock: Clock,
    settlement: OutcomeSettlement,
    invoice: Invoice,
    version_id: UUID,
    minor: int,
    reason: Reason,
) -> None:
    """Credit so much of an invoice's lines of a settlement. The profile is locked.

    Where nothing can be credited any more, since the invoice was voided or given up or credit
    notes have taken all of it, that is recorded without a note.
    """
    credit_id = ids.new_id()
    total = await _with_tax(session, invoice, version_id, minor)
    note = None
    if invoice.status in (InvoiceStatus.OPEN, InvoiceStatus.PAID) and total > 0:
        note = await _note(session, clock, invoice, credit_id, total, reason)
    session.add(
        OutcomeCredit(
            id=credit_id,
            account_id=settlement.account_id,
            settlement_id=settlement.id,
            invoice_id=invoice.id,
            credit_note_id=None if note is None else note.id,
            minor=minor,
            created_at=clock.now(),
        )
    )
    await session.flush()


async def _with_tax(session: AsyncSession, invoice: Invoice, version_id: UUID, minor: int) -> int:
    """What that is with tax, and no more than is left of the invoice.

    Of all credits of the invoice together, so that the whole in parts has the whole tax.
    """
    credited = select(func.coalesce(func.sum(OutcomeCredit.minor), 0)).where(
        col(OutcomeCredit.account_id) == invoice.account_id,
        col(OutcomeCredit.invoice_id) == invoice.id,
    )
    so_far = int((await session.execute(credited)).scalar_one())
    terms = (await terms_of(session, [version_id]))[version_id]
    tax = Tax(TaxTreatment(invoice.tax_treatment), invoice.tax_ppm)
    before, after = (
        taxed(part, terms.tax_inclusive, tax).total for part in (so_far, so_far + minor)
    )
    notes = await credit_notes_of(session, invoice.account_id, invoice.id)
    return min(after - before, invoice.total - sum(note.total for note in notes))


async def _note(
    session: AsyncSession,
    clock: Clock,
    invoice: Invoice,
    credit_id: UUID,
    total: int,
    reason: Reason,
) -> CreditNote:
    profile = await read_profile(session, invoice.account_id)
    credit = Credit(total, say(profile.locale, reason.place, keys=reason.about))
    place = (invoice.account_id, invoice.id, f"outcome_credit:{credit_id.hex}")
    return await write_credit_note(session, clock, *place, credit)
