"""Builder of invoice documents from the database.

Stored invoices (draft or final) and the preview of the current period, which is not stored, are
built by the same code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency, get_profile
from billing.dates import local_day
from billing.invoice_documents.document import PREVIEW_STATUS, InvoiceDocument
from billing.invoice_documents.late_payment import load_late_invoices, load_parts
from billing.invoice_documents.line_descriptions import (
    DescriptionContext,
    describe_lines,
    service_period,
)
from billing.invoice_documents.project_breakdown import ProjectSection, load_project_sections
from billing.invoice_documents.reasoning_usage import ReasoningByLine, load_reasoning_tokens
from billing.invoice_documents.sources import (
    PlanVersions,
    load_calendar_lookup,
    load_invoice_lines,
    load_outcome_charges,
    load_paid_fees,
    load_parties,
    load_plan_versions,
)
from billing.invoice_documents.tag_breakdown import (
    TagBreakdown,
    divide_lines_by_tag,
    load_tag_usage,
)
from billing.invoice_documents.values import AppliedTerms, DocumentCreditNote
from billing.invoices.balances import InvoiceBalance, read_invoice_balance
from billing.invoices.calculation import PeriodUsage, compute_amounts, load_period_usage
from billing.invoices.credit_notes import list_credit_notes
from billing.invoices.lifecycle import get_invoice
from billing.invoices.numbering import format_credit_note_number, format_invoice_number
from billing.invoices.pending_charges import preview_charge_lines
from billing.invoices.period_close import preview_fee_lines
from billing.rating.statement import StatementLine
from billing.subscriptions.periods import ensure_period_at
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
class _DocumentSource:
    """An invoice or preview with its lines and the usage of the billed period, if any.

    The `Invoice` row of a preview is never added to a session.
    """

    invoice: Invoice
    lines: Sequence[StatementLine]
    usage: PeriodUsage | None
    locale: str | None

    @property
    def is_stored(self) -> bool:
        """Whether the invoice is in the database, rather than a preview."""
        return self.invoice.status != PREVIEW_STATUS


async def build_invoice_document(
    session: AsyncSession, account_id: UUID, invoice_id: UUID, locale: str | None = None
) -> InvoiceDocument:
    """Build the document of a stored invoice, in its own language or in `locale`.

    Raises InvoiceNotFound.
    """
    invoice = await get_invoice(session, account_id, invoice_id)
    profile = await get_profile(session, account_id)
    lines, _ = await load_invoice_lines(session, account_id, invoice_id)
    period = await _find_period(session, invoice)
    usage = None if period is None else await load_period_usage(session, profile, period)
    return await _build_document(session, _DocumentSource(invoice, lines, usage, locale))


async def build_invoice_preview(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    locale: str | None = None,
    usage: PeriodUsage | None = None,
) -> InvoiceDocument:
    """Build the document of the current period's invoice as if the period ended now.

    `usage` is the usage of the current period if the caller has loaded it already.
    """
    profile = await get_profile(session, account_id)
    if usage is None:
        current = await ensure_period_at(session, account_id, clock.now())
        usage = await load_period_usage(session, profile, current)
    period = usage.period
    lines = [*usage.lines(), *await preview_non_usage_lines(session, profile, period)]
    amounts = await compute_amounts(session, profile, lines)
    invoice = Invoice(
        id=ids.new_id(),
        account_id=account_id,
        legal_entity_id=profile.legal_entity_id,
        period_id=period.id,
        status=PREVIEW_STATUS,
        currency=await get_account_currency(session, account_id),
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
    return await _build_document(session, _DocumentSource(invoice, lines, usage, locale))


async def preview_non_usage_lines(
    session: AsyncSession, profile: BillingProfile, period: BillingPeriod
) -> list[StatementLine]:
    """Return the fee and charge lines that the invoice of a current period will have."""
    # A fee due before the end of the period gets an invoice of its own.
    fees = [
        line
        for line in await preview_fee_lines(session, profile, period.ends_at)
        if line.starts_at == period.ends_at
    ]
    return [*fees, *await preview_charge_lines(session, profile.account_id, period)]


async def _build_document(session: AsyncSession, source: _DocumentSource) -> InvoiceDocument:
    """Load what the document needs beyond the source, and build the document."""
    invoice, account_id = source.invoice, source.invoice.account_id
    entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
    parties = await load_parties(session, invoice)
    locale = source.locale or parties.locale
    shares = _share_by_version(source)
    versions = await load_plan_versions(
        session, {*shares, *(line.version_id for line in source.lines)}
    )
    calendar_at = await load_calendar_lookup(
        session, account_id, parties, source.lines, invoice.starts_at
    )
    zone = calendar_at(invoice.starts_at).zone
    paid = await load_paid_fees(session, invoice, source.lines)
    charges = await load_outcome_charges(session, account_id, source.lines)
    reasoning = await _load_reasoning(session, source, versions)
    late = await load_late_invoices(session, account_id, invoice.id, source.lines)
    context = DescriptionContext(
        locale, versions.terms, calendar_at, paid, charges, reasoning, late
    )
    is_final = invoice.number is not None
    notes = await list_credit_notes(session, account_id, invoice.id) if is_final else []
    balance = await read_invoice_balance(session, invoice, notes) if is_final else InvoiceBalance()
    return InvoiceDocument(
        id=invoice.id if source.is_stored else None,
        account_id=account_id,
        number=format_invoice_number(entity.code, invoice.number) if invoice.number else None,
        status=invoice.status,
        locale=locale,
        time_zone=zone.key,
        currency=invoice.currency,
        seller=parties.seller,
        buyer=parties.buyer,
        issued_on=invoice.finalised_at and local_day(invoice.finalised_at, zone),
        due_on=invoice.due_at and local_day(invoice.due_at, zone),
        period=service_period(invoice.starts_at, invoice.ends_at, zone),
        lines=describe_lines(context, source.lines),
        net=invoice.net,
        tax=invoice.tax,
        total=invoice.total,
        tax_treatment=invoice.tax_treatment,
        tax_ppm=invoice.tax_ppm,
        collection=parties.collection,
        balance=balance,
        notes=tuple(_document_credit_note(note, entity.code, zone) for note in notes),
        tags=tuple(await _build_tag_breakdowns(session, source, versions)),
        terms=tuple(_applied_terms(row, versions, shares, locale) for row in versions.rows),
        as_of=None if is_final else (await session.scalars(select(UsageCursor))).one().moved_at,
        period_id=invoice.period_id,
        list_version=versions.list_version,
        projects=await _load_projects(session, source, versions),
        parts=await load_parts(session, invoice, zone) if is_final else (),
    )


def _share_by_version(source: _DocumentSource) -> dict[UUID, Fraction]:
    """Return the share of the billed month in which each terms version was in force."""
    usages = () if source.usage is None else source.usage.terms_usages
    return {usage.terms.version_id(): usage.share for usage in usages}


async def _load_reasoning(
    session: AsyncSession, source: _DocumentSource, versions: PlanVersions
) -> ReasoningByLine:
    """Return the reasoning tokens of usage; empty if the invoice bills no usage period."""
    if source.usage is None:
        return {}
    account_id, period_id = source.invoice.account_id, source.usage.period.id
    return await load_reasoning_tokens(session, account_id, period_id, versions.list_version)


async def _load_projects(
    session: AsyncSession, source: _DocumentSource, versions: PlanVersions
) -> tuple[ProjectSection, ...]:
    """Return the sections of usage by project; empty if the invoice bills no usage period."""
    if source.usage is None:
        return ()
    account_id, period_id = source.invoice.account_id, source.usage.period.id
    terms, list_version = versions.terms, versions.list_version
    return await load_project_sections(
        session, account_id, period_id, source.lines, terms, list_version
    )


async def _build_tag_breakdowns(
    session: AsyncSession, source: _DocumentSource, versions: PlanVersions
) -> list[TagBreakdown]:
    """Return the breakdowns of usage by tag; empty if the invoice bills no usage period."""
    if source.usage is None:
        return []
    tag_usage = await load_tag_usage(
        session, source.invoice.account_id, source.usage.period.id, versions.list_version
    )
    return divide_lines_by_tag(source.lines, versions.terms, tag_usage)


async def _find_period(session: AsyncSession, invoice: Invoice) -> BillingPeriod | None:
    """Return the billing period of an invoice, or None if it bills no period."""
    query = select(BillingPeriod).where(
        col(BillingPeriod.account_id) == invoice.account_id,
        col(BillingPeriod.id) == invoice.period_id,
    )
    return (await session.scalars(query)).one_or_none()


def _document_credit_note(note: CreditNote, code: str, zone: ZoneInfo) -> DocumentCreditNote:
    """Return a credit note as shown in the document; `code` is the legal entity's."""
    return DocumentCreditNote(
        id=note.id,
        number=format_credit_note_number(code, note.number),
        issued_on=local_day(note.created_at, zone),
        reason=note.reason,
        net=note.net,
        tax=note.tax,
        total=note.total,
        to_wallet=note.to_wallet,
        refunded=note.refunded,
    )


def _applied_terms(
    row: PlanVersion, versions: PlanVersions, shares: Mapping[UUID, Fraction], locale: str
) -> AppliedTerms:
    """Return a plan version as the document names it, with its share of the billed month."""
    terms = versions.terms[row.id]
    return AppliedTerms(
        version_id=row.id,
        plan=row.plan,
        number=row.number,
        name=terms.names[locale],
        share=shares.get(row.id, Fraction(0)),
        tax_inclusive=terms.tax_inclusive,
    )
