"""Pending charges: agreed amounts, such as outcomes, that become lines of the next invoice.

A charge is invoiced with the period in which it falls due or, if that invoice is final, with the
next one.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.rating.statement import LineKind, StatementLine
from billing.tables import BillingPeriod, Charge


async def list_due_charges(
    session: AsyncSession, account_id: UUID, until: datetime
) -> Sequence[Charge]:
    """List charges due by a time that are on no invoice; the billing profile must be locked."""
    due = col(Charge.invoice_id).is_(None), col(Charge.due_at) <= until
    return await _list_charges(session, account_id, *due)


async def list_invoice_charges(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> Sequence[Charge]:
    """List the charges attached to an invoice that are not withdrawn."""
    return await _list_charges(session, account_id, col(Charge.invoice_id) == invoice_id)


async def attach_charges(
    session: AsyncSession, account_id: UUID, invoice_id: UUID, due: Sequence[Charge]
) -> list[StatementLine]:
    """Attach due charges to a draft; return the lines of all its charges.

    The profile must be locked.
    """
    attached = [*await list_invoice_charges(session, account_id, invoice_id), *due]
    for charge in due:
        charge.invoice_id = invoice_id
    return [charge_line(charge) for charge in sorted(attached, key=_charge_sort_key)]


async def preview_charge_lines(
    session: AsyncSession, account_id: UUID, period: BillingPeriod
) -> list[StatementLine]:
    """Return the charge lines that the current period's invoice will have; attaches nothing.

    Charges due in an earlier open period are left out: they belong to that period's draft.
    """
    earlier_open_period = select(BillingPeriod.id).where(
        col(BillingPeriod.account_id) == account_id,
        col(BillingPeriod.closed_at).is_(None),
        col(BillingPeriod.ends_at) == period.starts_at,
    )
    due = await list_due_charges(session, account_id, period.ends_at)
    if (await session.execute(earlier_open_period)).first() is not None:
        due = [charge for charge in due if charge.due_at > period.starts_at]
    return [charge_line(charge) for charge in due]


def charge_line(charge: Charge) -> StatementLine:
    """Return the statement line of a charge."""
    return StatementLine(
        LineKind.OUTCOME,
        charge.minor,
        charge.plan_version_id,
        starts_at=charge.starts_at,
        ends_at=charge.ends_at,
        charge_id=charge.id,
    )


async def _list_charges(
    session: AsyncSession, account_id: UUID, *conditions: ColumnElement[bool]
) -> Sequence[Charge]:
    """List an account's charges that match the conditions and are not withdrawn."""
    query = select(Charge).where(
        col(Charge.account_id) == account_id, col(Charge.withdrawn_at).is_(None), *conditions
    )
    order = col(Charge.starts_at), col(Charge.business_key)
    return (await session.scalars(query.order_by(*order))).all()


def _charge_sort_key(charge: Charge) -> tuple[datetime, str]:
    """Return the sort key of a charge: its start, then its business key."""
    return charge.starts_at, charge.business_key
