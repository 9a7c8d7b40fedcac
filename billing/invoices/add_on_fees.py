"""Fees of add-ons: with the fee of the plan, for the rest of a paid period, and unused ones.

Fees are due in advance for the same periods as the plan's fee.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.dates import local_day_start
from billing.rating.fees import (
    BillingCalendar,
    FeePeriod,
    add_on_line,
    fee_period,
    unused_add_on_line,
)
from billing.rating.statement import LineKind, StatementLine
from billing.rating.terms import PlanTerms
from billing.subscriptions.add_ons import is_active, list_active_add_ons
from billing.subscriptions.subscriptions import billing_calendar
from billing.tables import (
    BillingProfile,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    SubscriptionAddOn,
    SubscriptionPhase,
)


def due_add_on_lines(
    terms: PlanTerms, rows: Sequence[SubscriptionAddOn], period: FeePeriod, at: datetime
) -> list[StatementLine]:
    """Return the fee lines, for a fee period of the plan, of the add-ons that are active at a time.

    This is the start of the period, or of the phase on its first day.
    """
    lines = (
        add_on_line(terms, row.name, row.quantity, period)
        for row in sorted(rows, key=lambda row: row.name)
        if is_active(row, at) and terms.add_on(row.name) is not None
    )
    return [line for line in lines if line.minor]


def rest_of_paid_period(
    terms: PlanTerms, calendar: BillingCalendar, phase: SubscriptionPhase, at: datetime
) -> FeePeriod | None:
    """Return the rest, from the local day of `at`, of the period that a phase has paid.

    None if nothing is paid, as in a trial.
    """
    if phase.trial or phase.fees_until <= at:
        return None
    period = fee_period(terms, calendar, phase.fees_from)
    while period.ends_at < phase.fees_until:
        period = fee_period(terms, calendar, period.ends_at)
    return period.rest(local_day_start(at, calendar.zone), calendar.zone)


async def list_unused_add_on_credits(
    session: AsyncSession,
    profile: BillingProfile,
    phase: SubscriptionPhase,
    terms: PlanTerms,
    at: datetime,
) -> list[StatementLine]:
    """Return the credit lines for the unused days, from `at` on, of invoiced add-on fees."""
    rest = rest_of_paid_period(terms, billing_calendar(profile), phase, at)
    if rest is None:
        return []
    lines: list[StatementLine] = []
    for row in await list_active_add_ons(session, profile.account_id, at):
        invoices = await list_add_on_invoices(session, profile.account_id, phase, row.name)
        if invoices and terms.add_on(row.name) is not None:
            lines.append(unused_add_on_line(terms, row.name, row.quantity, rest))
    return [line for line in lines if line.minor]


async def list_add_on_invoices(
    session: AsyncSession, account_id: UUID, phase: SubscriptionPhase, name: str
) -> list[Invoice]:
    """List the invoices that charge an add-on for the period that a phase has paid, newest first.

    Void ones are left out.
    """
    charged = (
        select(InvoiceLine.invoice_id)
        .where(
            col(InvoiceLine.account_id) == account_id,
            col(InvoiceLine.kind) == LineKind.ADD_ON.value,
            col(InvoiceLine.add_on) == name,
            col(InvoiceLine.plan_version_id) == phase.plan_version_id,
            col(InvoiceLine.ends_at) == phase.fees_until,
        )
        .scalar_subquery()
    )
    query = select(Invoice).where(
        col(Invoice.account_id) == account_id,
        col(Invoice.id).in_(charged),
        col(Invoice.status) != InvoiceStatus.VOID.value,
    )
    return list((await session.scalars(query.order_by(col(Invoice.id).desc()))).all())
