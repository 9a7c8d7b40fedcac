"""Documenting: an invoice's document, from the tables.

One function for what is stored, draft or final, and for the preview of the running period, which is
not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import currency_of, read_profile
from billing.dates import day_of
from billing.invoice_documents.document import PREVIEW, InvoiceDocument
from billing.invoice_documents.line_descriptions import Describing, described, span_of
from billing.invoice_documents.sources import (
    Versions,
    calendar_of_times,
    charges_of,
    paid_fees,
    parties_of,
    stored_lines,
    versions_of,
)
from billing.invoice_documents.tag_breakdown import Tag, divide, tag_usage
from billing.invoice_documents.values import NoteShown, TermsShown
from billing.invoices.balances import Balance, balance_of
from billing.invoices.calculation import PeriodUse, amounts_of, period_use
from billing.invoices.credit_notes import credit_notes_of
from billing.invoices.lifecycle import get_invoice
from billing.invoices.numbering import credit_note_number, invoice_number
from billing.invoices.pending_charges import charges_ahead
from billing.invoices.period_close import fees_ahead
from billing.rating.statement import Line
from billing.subscriptions.periods import running_period
from billing.tables import (
    BillingPeriod,
    BillingProfile,
    CreditNote,
    Invoice,
    LegalEntity,
    PlanVersion,
    UsageCursor,
)
from infra import ids
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class _Bill:
    """What a stored invoice and a preview have in common; `use` is of the billed period, if any. A
    preview is never in a session."""

    invoice: Invoice
    lines: Sequence[Line]
    use: PeriodUse | None
    locale: str | None

    @property
    def stored(self) -> bool:
        return self.invoice.status != PREVIEW


async def document_of(
    session: AsyncSession, account_id: UUID, invoice_id: UUID, locale: str | None = None
) -> InvoiceDocument:
    """The document of a stored invoice, in its own language or another.

    Raises InvoiceNotFound.
    """
    invoice = await get_invoice(session, account_id, invoice_id)
    profile = await read_profile(session, account_id)
    lines, _ = await stored_lines(session, account_id, invoice_id)
    period = await _period(session, invoice)
    use = None if period is None else await period_use(session, profile, period)
    return await _document(session, _Bill(invoice, lines, use, locale))


async def preview_of(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    locale: str | None = None,
    running: PeriodUse | None = None,
) -> InvoiceDocument:
    """What the running period's invoice would say if the period ended with the usage so far.

    `running` is what the period counts, where the caller has just read it.
    """
    profile = await read_profile(session, account_id)
    use = running
    if use is None:
        found = await running_period(session, account_id, clock.now())
        use = await period_use(session, profile, found)
    period = use.period
    lines = [*use.lines(), *await beside_usage(session, profile, period)]
    amounts = await amounts_of(session, profile, lines)
    invoice = Invoice(
        id=ids.new_id(),
        account_id=account_id,
        legal_entity_id=profile.legal_entity_id,
        period_id=period.id,
        status=PREVIEW,
        currency=await currency_of(session, account_id),
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        tax_treatment=profile.tax_treatment,
        tax_ppm=profile.tax_ppm,
        net=amounts.taxed.net,
        tax=amounts.taxed.tax,
        total=amounts.taxed.total,
        usage=amounts.usage,
        created_at=clock.now(),
    )
    return await _document(session, _Bill(invoice, lines, use, locale))


async def beside_usage(
    session: AsyncSession, profile: BillingProfile, period: BillingPeriod
) -> list[Line]:
    """What a period that is not over would be invoiced beside its usage."""
    # A fee that falls due before the period is over has an invoice of its own.
    fees = [
        line
        for line in await fees_ahead(session, profile, period.ends_at)
        if line.starts_at == period.ends_at
    ]
    return [*fees, *await charges_ahead(session, profile.account_id, period)]


async def _document(session: AsyncSession, bill: _Bill) -> InvoiceDocument:
    invoice, account_id = bill.invoice, bill.invoice.account_id
    entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
    parties = await parties_of(session, invoice)
    locale = bill.locale or parties.locale
    shares = _shares(bill)
    versions = await versions_of(session, {*shares, *(line.version_id for line in bill.lines)})
    calendar_at = await calendar_of_times(
        session, account_id, parties, bill.lines, invoice.starts_at
    )
    zone = calendar_at(invoice.starts_at).zone
    paid = await paid_fees(session, invoice, bill.lines)
    charges = await charges_of(session, account_id, bill.lines)
    describing = Describing(locale, versions.terms, calendar_at, paid, charges)
    final = invoice.number is not None
    notes = await credit_notes_of(session, account_id, invoice.id) if final else []
    return InvoiceDocument(
        id=invoice.id if bill.stored else None,
        account_id=account_id,
        number=invoice_number(entity.code, invoice.number) if invoice.number else None,
        status=invoice.status,
        locale=locale,
        time_zone=zone.key,
        currency=invoice.currency,
        seller=parties.seller,
        buyer=parties.buyer,
        issued_on=invoice.finalised_at and day_of(invoice.finalised_at, zone),
        due_on=invoice.due_at and day_of(invoice.due_at, zone),
        period=span_of(invoice.starts_at, invoice.ends_at, zone),
        lines=described(describing, bill.lines),
        net=invoice.net,
        tax=invoice.tax,
        total=invoice.total,
        tax_treatment=invoice.tax_treatment,
        tax_ppm=invoice.tax_ppm,
        collection=parties.collection,
        balance=await balance_of(session, invoice, notes) if final else Balance(),
        notes=tuple(_note(note, entity.code, zone) for note in notes),
        tags=tuple(await _tags(session, bill, versions)),
        terms=tuple(_shown(row, versions, shares, locale) for row in versions.rows),
        as_of=None if final else (await session.scalars(select(UsageCursor))).one().moved_at,
        period_id=invoice.period_id,
        list_version=versions.list_version,
    )


def _shares(bill: _Bill) -> dict[UUID, Fraction]:
    """In how much of the billed period each version of terms was in force."""
    used = () if bill.use is None else bill.use.used
    return {one.terms.version_id(): one.share for one in used}


async def _tags(session: AsyncSession, bill: _Bill, versions: Versions) -> list[Tag]:
    if bill.use is None:
        return []
    place = bill.invoice.account_id, bill.use.period.id, versions.list_version
    return divide(bill.lines, versions.terms, await tag_usage(session, *place))


async def _period(session: AsyncSession, invoice: Invoice) -> BillingPeriod | None:
    query = select(BillingPeriod).where(
        col(BillingPeriod.account_id) == invoice.account_id,
        col(BillingPeriod.id) == invoice.period_id,
    )
    return (await session.scalars(query)).one_or_none()


def _note(note: CreditNote, code: str, zone: ZoneInfo) -> NoteShown:
    return NoteShown(
        id=note.id,
        number=credit_note_number(code, note.number),
        issued_on=day_of(note.created_at, zone),
        reason=note.reason,
        net=note.net,
        tax=note.tax,
        total=note.total,
        to_wallet=note.to_wallet,
        refunded=note.refunded,
    )


def _shown(
    row: PlanVersion, versions: Versions, shares: Mapping[UUID, Fraction], locale: str
) -> TermsShown:
    terms = versions.terms[row.id]
    return TermsShown(
        version_id=row.id,
        plan=row.plan,
        number=row.number,
        name=terms.names[locale],
        share=shares.get(row.id, Fraction(0)),
        tax_inclusive=terms.tax_inclusive,
    )
