"""Credit notes for outcome lines that are no longer owed.

Lines exclude tax unless their terms are tax-inclusive; a credit note includes tax.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile
from billing.invoices.credit_notes import CreditNoteRequest, create_credit_note, list_credit_notes
from billing.outcomes.settlement.wording import format_text
from billing.rating.taxes import Tax, TaxTreatment, apply_tax
from billing.subscriptions.plans import load_terms
from billing.tables import CreditNote, Invoice, InvoiceStatus, OutcomeCredit, OutcomeSettlement
from infra import ids
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class CreditReason:
    """The reason of a credit: a key of wording.py, and the outcome or dispute it is about."""

    text_key: str
    subject: str


async def credit_settlement_lines(
    session: AsyncSession,
    clock: Clock,
    settlement: OutcomeSettlement,
    invoice: Invoice,
    version_id: UUID,
    minor: int,
    reason: CreditReason,
) -> None:
    """Credit `minor` minor units, before tax, of a settlement's lines on an invoice.

    If nothing can be credited (the invoice is void, uncollectible or fully credited), the credit is
    recorded without a credit note. The caller must hold the profile lock.
    """
    credit_id = ids.new_id()
    total = await _creditable_with_tax(session, invoice, version_id, minor)
    note = None
    if invoice.status in (InvoiceStatus.OPEN, InvoiceStatus.PAID) and total > 0:
        note = await _write_note(session, clock, invoice, credit_id, total, reason)
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


async def _creditable_with_tax(
    session: AsyncSession, invoice: Invoice, version_id: UUID, minor: int
) -> int:
    """Return `minor` plus tax (minor units), at most what is left to credit on the invoice.

    Tax is computed on the cumulative credits, so that partial credits add up to the full tax.
    """
    credited = select(func.coalesce(func.sum(OutcomeCredit.minor), 0)).where(
        col(OutcomeCredit.account_id) == invoice.account_id,
        col(OutcomeCredit.invoice_id) == invoice.id,
    )
    already_credited = int((await session.execute(credited)).scalar_one())
    terms = (await load_terms(session, [version_id]))[version_id]
    tax = Tax(TaxTreatment(invoice.tax_treatment), invoice.tax_ppm)
    before, after = (
        apply_tax(part, terms.tax_inclusive, tax).total
        for part in (already_credited, already_credited + minor)
    )
    notes = await list_credit_notes(session, invoice.account_id, invoice.id)
    return min(after - before, invoice.total - sum(note.total for note in notes))


async def _write_note(
    session: AsyncSession,
    clock: Clock,
    invoice: Invoice,
    credit_id: UUID,
    total: int,
    reason: CreditReason,
) -> CreditNote:
    """Create the credit note of `total` minor units, with the reason in the account's locale."""
    profile = await get_profile(session, invoice.account_id)
    credit = CreditNoteRequest(
        total, format_text(profile.locale, reason.text_key, keys=reason.subject)
    )
    key = f"outcome_credit:{credit_id.hex}"
    return await create_credit_note(session, clock, invoice.account_id, invoice.id, key, credit)
