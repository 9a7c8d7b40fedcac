"""Charges: amounts that were agreed elsewhere and come onto the account's next invoice as lines.

A charge is on the invoice of the period in which it falls due, or the next one that is still to be
made.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.rating.statement import Line, LineKind
from billing.tables import BillingPeriod, Charge


async def charges_due(session: AsyncSession, account_id: UUID, until: datetime) -> Sequence[Charge]:
    """What falls due up to a moment and is on no invoice yet. The profile is locked."""
    due = col(Charge.invoice_id).is_(None), col(Charge.due_at) <= until
    return await _read(session, account_id, *due)


async def charges_on(session: AsyncSession, account_id: UUID, invoice_id: UUID) -> Sequence[Charge]:
    """What an invoice has taken in, and still has."""
    return await _read(session, account_id, col(Charge.invoice_id) == invoice_id)


async def take_charges(
    session: AsyncSession, account_id: UUID, invoice_id: UUID, due: Sequence[Charge]
) -> list[Line]:
    """Put these on a draft; gives the lines of all that it has. The profile is locked."""
    taken = [*await charges_on(session, account_id, invoice_id), *due]
    for charge in due:
        charge.invoice_id = invoice_id
    return [line_of(charge) for charge in sorted(taken, key=_order)]


async def charges_ahead(
    session: AsyncSession, account_id: UUID, period: BillingPeriod
) -> list[Line]:
    """The lines of charges that a running period's invoice will take, for showing: the drafts of
    earlier periods have what fell due in those."""
    earlier = select(BillingPeriod.id).where(
        col(BillingPeriod.account_id) == account_id,
        col(BillingPeriod.closed_at).is_(None),
        col(BillingPeriod.ends_at) == period.starts_at,
    )
    due = await charges_due(session, account_id, period.ends_at)
    if (await session.execute(earlier)).first() is not None:
        due = [charge for charge in due if charge.due_at > period.starts_at]
    return [line_of(charge) for charge in due]


def line_of(charge: Charge) -> Line:
    return Line(
        LineKind.OUTCOME,
        charge.minor,
        charge.plan_version_id,
        starts_at=charge.starts_at,
        ends_at=charge.ends_at,
        charge_id=charge.id,
    )


async def _read(
    session: AsyncSession, account_id: UUID, *which: ColumnElement[bool]
) -> Sequence[Charge]:
    query = select(Charge).where(
        col(Charge.account_id) == account_id, col(Charge.withdrawn_at).is_(None), *which
    )
    order = col(Charge.starts_at), col(Charge.business_key)
    return (await session.scalars(query.order_by(*order))).all()


def _order(charge: Charge) -> tuple[datetime, str]:
    return charge.starts_at, charge.business_key
