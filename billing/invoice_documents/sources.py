"""What a document is made from: an invoice's lines as they are kept, the plan versions that they
name, the fees that parts are given back of, the account's calendar and the parties.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.parties import Parties, parties_now, read_parties
from billing.dates import zone_of
from billing.invoice_documents.outcome_charge import ChargeShown
from billing.invoices.lifecycle import lines_of
from billing.rating.fees import Calendar, PaidFee
from billing.rating.statement import Line, LineKind
from billing.rating.terms import LIST_PLAN, PlanTerms, read_terms
from billing.subscriptions.usage_totals import NO_TERMS
from billing.tables import (
    BillingPeriod,
    Charge,
    Invoice,
    InvoiceLine,
    OutcomeSettlement,
    PlanVersion,
)

_LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Versions:
    """Plan versions that an invoice names, with their terms."""

    rows: Sequence[PlanVersion]
    terms: Mapping[UUID, PlanTerms]

    @property
    def list_version(self) -> UUID:
        """What priced calls that name no terms: the newest list among these."""
        lists = [row for row in self.rows if row.plan == LIST_PLAN]
        return max(lists, key=lambda row: row.number).id if lists else NO_TERMS


async def versions_of(session: AsyncSession, version_ids: Iterable[UUID]) -> Versions:
    """The versions with these ids, by plan and number."""
    query = select(PlanVersion).where(col(PlanVersion.id).in_(list(version_ids)))
    order = col(PlanVersion.plan), col(PlanVersion.number)
    rows = (await session.scalars(query.order_by(*order))).all()
    return Versions(rows, {row.id: read_terms(row.terms.encode()) for row in rows})


async def stored_lines(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> tuple[list[Line], Versions]:
    """The lines of a stored invoice, with the prices that their terms say."""
    rows = await lines_of(session, account_id, invoice_id)
    versions = await versions_of(session, {row.plan_version_id for row in rows})
    return [_line(row, versions.terms[row.plan_version_id]) for row in rows], versions


async def parties_of(session: AsyncSession, invoice: Invoice) -> Parties:
    """The parties of an invoice's day once it is final; until then those of now."""
    if invoice.parties is not None:
        return read_parties(invoice.parties)
    now = parties_now(invoice.account_id, invoice.legal_entity_id)
    return read_parties((await session.execute(now)).scalar_one())


async def paid_fees(
    session: AsyncSession, invoice: Invoice, lines: Iterable[Line]
) -> dict[tuple[UUID, datetime], PaidFee]:
    """The fees of which an invoice's lines give parts back, by terms and end; of several that
    were charged before it the newest."""
    back = [line.version_id for line in lines if line.kind is LineKind.UNUSED_FEE]
    query = (
        select(InvoiceLine)
        .where(
            col(InvoiceLine.account_id) == invoice.account_id,
            col(InvoiceLine.invoice_id) < invoice.id,
            col(InvoiceLine.kind) == LineKind.FIXED_FEE.value,
            col(InvoiceLine.plan_version_id).in_(back),
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


async def charges_of(
    session: AsyncSession, account_id: UUID, lines: Iterable[Line]
) -> dict[UUID, ChargeShown]:
    """What the charges say that lines are, by their ids."""
    named = [line.charge_id for line in lines if line.charge_id is not None]
    query = (
        select(Charge, OutcomeSettlement.digest)
        .join(OutcomeSettlement, col(OutcomeSettlement.id) == col(Charge.settlement_id))
        .where(col(Charge.account_id) == account_id, col(Charge.id).in_(named))
    )
    rows = (await session.execute(query)).all() if named else []
    return {
        one.id: ChargeShown(one.settlement_id, digest.hex(), one.attested_by, one.micro, one.words)
        for one, digest in rows
    }


async def settlement_texts(
    session: AsyncSession, account_id: UUID, settlement_ids: Iterable[UUID]
) -> dict[UUID, str]:
    """The evidence bundles of settlements."""
    query = select(OutcomeSettlement.id, OutcomeSettlement.bundle).where(
        col(OutcomeSettlement.account_id) == account_id,
        col(OutcomeSettlement.id).in_(list(settlement_ids)),
    )
    return {settlement_id: said for settlement_id, said in (await session.execute(query)).all()}


async def calendar_of_times(
    session: AsyncSession,
    account_id: UUID,
    parties: Parties,
    lines: Iterable[Line],
    *others: datetime,
) -> Callable[[datetime], Calendar]:
    """How time was divided into days and months where lines begin, and at other times; ahead of
    all periods it is as the parties have it."""
    starts = (line.starts_at for line in lines)
    times = [*others, *(at for at in starts if at is not None)] or [_LONG_AGO]
    query = select(BillingPeriod).where(
        col(BillingPeriod.account_id) == account_id,
        col(BillingPeriod.starts_at) <= max(times),
        col(BillingPeriod.ends_at) > min(times),
    )
    periods = (await session.scalars(query)).all()

    def calendar_at(at: datetime) -> Calendar:
        found = (
            Calendar(zone_of(period.time_zone), period.anchor_day)
            for period in periods
            if period.starts_at <= at < period.ends_at
        )
        return next(found, parties.calendar)

    return calendar_at


def _line(row: InvoiceLine, terms: PlanTerms) -> Line:
    return Line(
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
    )
