"""Loaders of the data for invoice documents: lines, plan versions, fees, calendar and parties."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.parties import Parties, parse_parties, select_current_parties
from billing.dates import parse_time_zone
from billing.invoice_documents.outcome_charge import OutcomeCharge
from billing.invoices.lifecycle import list_invoice_lines
from billing.rating.fees import BillingCalendar, PaidFee
from billing.rating.statement import LineKind, StatementLine
from billing.rating.terms import LIST_PLAN, PlanTerms, parse_terms
from billing.subscriptions.usage_totals import NO_TERMS_ID
from billing.tables import (
    BillingPeriod,
    Charge,
    Invoice,
    InvoiceLine,
    OutcomeSettlement,
    PlanVersion,
)

_UNIX_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class PlanVersions:
    """The plan versions of an invoice, with their terms by version id."""

    rows: Sequence[PlanVersion]
    terms: Mapping[UUID, PlanTerms]

    @property
    def list_version(self) -> UUID:
        """The id of the newest price list among these, which priced calls made without a plan."""
        price_lists = [row for row in self.rows if row.plan == LIST_PLAN]
        return max(price_lists, key=lambda row: row.number).id if price_lists else NO_TERMS_ID


async def load_plan_versions(session: AsyncSession, version_ids: Iterable[UUID]) -> PlanVersions:
    """Load plan versions by id, ordered by plan and number."""
    query = select(PlanVersion).where(col(PlanVersion.id).in_(list(version_ids)))
    order = col(PlanVersion.plan), col(PlanVersion.number)
    rows = (await session.scalars(query.order_by(*order))).all()
    return PlanVersions(rows, {row.id: parse_terms(row.terms.encode()) for row in rows})


async def load_invoice_lines(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> tuple[list[StatementLine], PlanVersions]:
    """Load the lines of a stored invoice with their prices, and the plan versions they refer to."""
    rows = await list_invoice_lines(session, account_id, invoice_id)
    versions = await load_plan_versions(session, {row.plan_version_id for row in rows})
    return [_build_line(row, versions.terms[row.plan_version_id]) for row in rows], versions


async def load_parties(session: AsyncSession, invoice: Invoice) -> Parties:
    """Load the stored parties of a final invoice, or the current parties of a draft or preview."""
    if invoice.parties is not None:
        return parse_parties(invoice.parties)
    now = select_current_parties(invoice.account_id, invoice.legal_entity_id)
    return parse_parties((await session.execute(now)).scalar_one())


async def load_paid_fees(
    session: AsyncSession, invoice: Invoice, lines: Iterable[StatementLine]
) -> dict[tuple[UUID, datetime], PaidFee]:
    """Load the fees that an invoice's unused-fee lines refer to, by terms version and end.

    If a fee was charged several times before this invoice, the newest charge is returned.
    """
    version_ids = [line.version_id for line in lines if line.kind is LineKind.UNUSED_FEE]
    query = (
        select(InvoiceLine)
        .where(
            col(InvoiceLine.account_id) == invoice.account_id,
            col(InvoiceLine.invoice_id) < invoice.id,
            col(InvoiceLine.kind) == LineKind.FIXED_FEE.value,
            col(InvoiceLine.plan_version_id).in_(version_ids),
        )
        .order_by(col(InvoiceLine.invoice_id))
    )
    return {
        (row.plan_version_id, row.ends_at): PaidFee(
            row.minor, row.starts_at, row.ends_at, row.plan_version_id
        )
        for row in (await session.scalars(query)).all()
        if row.starts_at is not None and row.ends_at is not None
    }


async def load_outcome_charges(
    session: AsyncSession, account_id: UUID, lines: Iterable[StatementLine]
) -> dict[UUID, OutcomeCharge]:
    """Load the outcome charges that lines refer to, by charge id."""
    charge_ids = [line.charge_id for line in lines if line.charge_id is not None]
    query = (
        select(Charge, OutcomeSettlement.digest)
        .join(OutcomeSettlement, col(OutcomeSettlement.id) == col(Charge.settlement_id))
        .where(col(Charge.account_id) == account_id, col(Charge.id).in_(charge_ids))
    )
    rows = (await session.execute(query)).all() if charge_ids else []
    return {
        charge.id: OutcomeCharge(
            charge.settlement_id, digest.hex(), charge.attested_by, charge.micro, charge.words
        )
        for charge, digest in rows
    }


async def load_evidence_bundles(
    session: AsyncSession, account_id: UUID, settlement_ids: Iterable[UUID]
) -> dict[UUID, str]:
    """Load the evidence bundles (JSON text) of settlements by id."""
    query = select(OutcomeSettlement.id, OutcomeSettlement.bundle).where(
        col(OutcomeSettlement.account_id) == account_id,
        col(OutcomeSettlement.id).in_(list(settlement_ids)),
    )
    return {settlement_id: bundle for settlement_id, bundle in (await session.execute(query)).all()}


async def load_calendar_lookup(
    session: AsyncSession,
    account_id: UUID,
    parties: Parties,
    lines: Iterable[StatementLine],
    *times: datetime,
) -> Callable[[datetime], BillingCalendar]:
    """Return a function that maps a time to the account's calendar (time zone and anchor day).

    The billing periods that contain the starts of lines and `times` are loaded; outside all billing
    periods, the calendar of the parties is used.
    """
    starts = (line.starts_at for line in lines)
    all_times = [*times, *(at for at in starts if at is not None)] or [_UNIX_EPOCH]
    query = select(BillingPeriod).where(
        col(BillingPeriod.account_id) == account_id,
        col(BillingPeriod.starts_at) <= max(all_times),
        col(BillingPeriod.ends_at) > min(all_times),
    )
    periods = (await session.scalars(query)).all()

    def calendar_at(at: datetime) -> BillingCalendar:
        """Return the calendar of the billing period at a time, else the parties' calendar."""
        calendars = (
            BillingCalendar(parse_time_zone(period.time_zone), period.anchor_day)
            for period in periods
            if period.starts_at <= at < period.ends_at
        )
        return next(calendars, parties.calendar)

    return calendar_at


def _build_line(row: InvoiceLine, terms: PlanTerms) -> StatementLine:
    """Build the statement line of a stored invoice line, with its price from the terms."""
    return StatementLine(
        kind=LineKind(row.kind),
        minor=row.minor,
        version_id=row.plan_version_id,
        model=row.model,
        meter=row.meter,
        quantity=row.quantity,
        included=row.included,
        price=terms.price(row.model or "", row.meter or ""),
        ppm=row.ppm,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        charge_id=row.charge_id,
        packed=row.packed or 0,
        add_on=row.add_on,
    )
