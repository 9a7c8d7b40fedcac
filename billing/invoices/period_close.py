"""Closing: when an account's periods become invoices and its fees fall due.

    period ends -> draft -> grace for late usage -> totals taken in -> final invoice, period closed

Owns that order, for one account in one transaction: running it twice, late, or on several machines
at once gives the same invoices.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile, zone
from billing.invoices.available_credit import refresh_credit
from billing.invoices.calculation import PeriodUse, period_use
from billing.invoices.lifecycle import (
    FEES,
    draft_of_period,
    finalise,
    lines_of,
    new_draft,
    put_lines,
)
from billing.invoices.pending_charges import charges_due, take_charges
from billing.rating.fees import PaidFee, fee_line, unused_line
from billing.rating.statement import Line, LineKind
from billing.subscriptions.periods import open_periods
from billing.subscriptions.plans import terms_of
from billing.subscriptions.subscriptions import calendar_of
from billing.subscriptions.usage_totals import Cursor, hold_totals
from billing.tables import (
    BillingPeriod,
    BillingProfile,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    SubscriptionPhase,
)
from infra.clock import Clock

# Of the day of a period's end, so long late usage still comes onto its invoice.
GRACE = timedelta(hours=1)


async def accounts_to_bill(session: AsyncSession, now: datetime) -> list[UUID]:
    """Accounts with a period that is over or a fee that is due. For operators: it looks across
    accounts (account_id)."""
    periods = select(BillingPeriod.account_id).where(
        col(BillingPeriod.closed_at).is_(None), col(BillingPeriod.ends_at) <= now
    )
    fees = select(SubscriptionPhase.account_id).where(_fee_due(now))
    return list((await session.execute(periods.union(fees))).scalars())


async def bill_account(
    session: AsyncSession, clock: Clock, account_id: UUID, grace: timedelta | None = GRACE
) -> list[Invoice]:
    """Draft and close what is over, charge what is due; gives the invoices that became final.

    With no `grace` nothing is closed: whoever has not just counted usage leaves that to the jobs.
    """
    profile = await lock_profile(session, account_id)
    cursor = await hold_totals(session)
    now = clock.now()
    final: list[Invoice] = []
    for period in await open_periods(session, account_id):
        if period.ends_at > now:
            break
        use = await period_use(session, profile, period)
        invoice = await _draft(session, profile, use, now)
        # Only where the totals have all that was written by then.
        if grace is None or cursor.moved_at < period.ends_at + grace:
            break
        _close(use, cursor, now)
        if invoice is not None:
            final.append(await finalise(session, clock, profile, invoice))
    final += await charge_fees(session, clock, profile)
    await refresh_credit(session, clock, account_id)
    return final


async def charge_fees(
    session: AsyncSession,
    clock: Clock,
    profile: BillingProfile,
    unused: Sequence[Line] = (),
) -> list[Invoice]:
    """Invoice the fees that are due now, less what is given back of a plan that was left.

    The profile is locked.
    """
    now = clock.now()
    lines = [*unused, *await _due_fees(session, profile, now)]
    if not lines:
        return []
    starts = [line.starts_at for line in lines if line.starts_at]
    ends = [line.ends_at for line in lines if line.ends_at]
    invoice = await new_draft(session, profile, min(starts), max(ends), now)
    await put_lines(session, profile, invoice, lines)
    return [await finalise(session, clock, profile, invoice)]


async def unused_fees(
    session: AsyncSession, profile: BillingProfile, phase: SubscriptionPhase, at: datetime
) -> list[Line]:
    """What is given back of the fee that was invoiced for a phase, for the days from `at` on."""
    paid = (
        select(InvoiceLine)
        .join(Invoice, col(Invoice.id) == col(InvoiceLine.invoice_id))
        .where(
            col(InvoiceLine.account_id) == profile.account_id,
            col(InvoiceLine.kind) == LineKind.FIXED_FEE.value,
            col(InvoiceLine.plan_version_id) == phase.plan_version_id,
            col(InvoiceLine.ends_at) == phase.fees_until,
            col(Invoice.status) != InvoiceStatus.VOID.value,
        )
        .order_by(col(Invoice.id).desc())
    )
    row = (await session.scalars(paid)).first()
    if row is None or row.starts_at is None or row.ends_at is None:
        return []
    fee = PaidFee(row.minor, row.starts_at, row.ends_at, row.plan_version_id)
    line = unused_line(fee, at, zone(profile))
    return [] if line is None else [line]


async def fees_ahead(session: AsyncSession, profile: BillingProfile, at: datetime) -> list[Line]:
    """The fees that fall due up to a moment, for showing; nothing is charged."""
    return [line for _, line, _ in await _fees_until(session, profile, at) if line.minor]


async def _draft(
    session: AsyncSession, profile: BillingProfile, use: PeriodUse, now: datetime
) -> Invoice | None:
    """The period's draft as it is now; None where there is nothing to invoice."""
    period, usage = use.period, use.lines()
    fees = await _due_fees(session, profile, period.ends_at)
    charges = await charges_due(session, profile.account_id, period.ends_at)
    invoice = await draft_of_period(session, profile.account_id, period.id)
    kept: list[Line] = []
    if invoice is not None:
        rows = await lines_of(session, profile.account_id, invoice.id)
        kept = [_line(row) for row in rows if row.kind in FEES]
    elif usage or fees or charges:
        span = period.starts_at, period.ends_at
        invoice = await new_draft(session, profile, *span, now, period.id)
    else:
        return None
    charged = await take_charges(session, profile.account_id, invoice.id, charges)
    await put_lines(session, profile, invoice, [*usage, *kept, *fees, *charged])
    return invoice


def _close(use: PeriodUse, cursor: Cursor, now: datetime) -> None:
    period = use.period
    period.cut, period.closed_at, period.cost_nano = cursor.consumed, now, use.cost_nano


async def _due_fees(session: AsyncSession, profile: BillingProfile, at: datetime) -> list[Line]:
    """The fees that fall due up to a moment; they are charged with that."""
    due = await _fees_until(session, profile, at)
    for phase, _, ends_at in due:
        phase.fees_until, phase.trial = ends_at, False
    await session.flush()
    return [line for _, line, _ in due if line.minor]


async def _fees_until(
    session: AsyncSession, profile: BillingProfile, at: datetime
) -> list[tuple[SubscriptionPhase, Line, datetime]]:
    """Fees by phase, each with the moment up to which it is for."""
    query = select(SubscriptionPhase).where(
        col(SubscriptionPhase.account_id) == profile.account_id, _fee_due(at)
    )
    phases = (await session.scalars(query.order_by(col(SubscriptionPhase.starts_at)))).all()
    terms = await terms_of(session, {phase.plan_version_id for phase in phases})
    found: list[tuple[SubscriptionPhase, Line, datetime]] = []
    for phase in phases:
        begins = phase.fees_until
        while begins <= at and (phase.ends_at is None or begins < phase.ends_at):
            line = fee_line(terms[phase.plan_version_id], calendar_of(profile), begins)
            assert line.ends_at is not None  # noqa: S101  # a fee always is for some days
            begins = line.ends_at
            found.append((phase, line, begins))
    return found


def _fee_due(at: datetime) -> ColumnElement[bool]:
    due = col(SubscriptionPhase.fees_until) <= at
    goes_on = or_(
        col(SubscriptionPhase.ends_at).is_(None),
        col(SubscriptionPhase.ends_at) > col(SubscriptionPhase.fees_until),
    )
    return due & goes_on


def _line(row: InvoiceLine) -> Line:
    return Line(
        LineKind(row.kind),
        row.minor,
        row.plan_version_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
    )
