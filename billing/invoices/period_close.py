"""Period close: drafts and finalizes the invoices of ended periods, and invoices due fees.

    period ends -> draft -> grace for late usage -> usage aggregated -> final invoice, period closed

Each account is processed in one transaction under its profile's lock, so running it twice, late or
on several machines at once gives the same invoices.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile, profile_time_zone
from billing.invoices.add_on_fees import due_add_on_lines, list_unused_add_on_credits
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.calculation import PeriodUsage, load_period_usage
from billing.invoices.late_fees import accrue_late_fees, attach_late_fees
from billing.invoices.lifecycle import (
    FEE_KINDS,
    create_draft,
    finalize_invoice,
    find_period_invoice,
    list_invoice_lines,
    replace_draft_lines,
)
from billing.invoices.pending_charges import attach_charges, list_due_charges
from billing.rating.fees import PaidFee, fee_period, fixed_fee_line, unused_fee_line
from billing.rating.statement import LineKind, StatementLine
from billing.subscriptions.add_ons import list_add_ons
from billing.subscriptions.periods import list_open_periods
from billing.subscriptions.plans import load_terms
from billing.subscriptions.subscriptions import billing_calendar
from billing.subscriptions.usage_totals import AggregationCursor, share_lock_totals
from billing.tables import (
    BillingPeriod,
    BillingProfile,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    SubscriptionPhase,
)
from infra.clock import Clock

# Late usage written within this time after the end of a period is still on its invoice.
LATE_USAGE_GRACE = timedelta(hours=1)


async def list_accounts_to_bill(session: AsyncSession, now: datetime) -> list[UUID]:
    """List accounts with an ended open period or a due fee.

    For operators: reads across accounts (no account_id filter).
    """
    periods = select(BillingPeriod.account_id).where(
        col(BillingPeriod.closed_at).is_(None), col(BillingPeriod.ends_at) <= now
    )
    fees = select(SubscriptionPhase.account_id).where(_fee_due_condition(now))
    return list((await session.execute(periods.union(fees))).scalars())


async def close_and_invoice(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    grace: timedelta | None = LATE_USAGE_GRACE,
) -> list[Invoice]:
    """Draft ended periods, close those that ended over `grace` ago, and invoice due fees.

    Returns the invoices that became final. With `grace` None, ended periods are drafted but not
    closed: a caller that has not just aggregated usage leaves that to the scheduled jobs.
    """
    profile = await lock_profile(session, account_id)
    cursor = await share_lock_totals(session)
    now = clock.now()
    final: list[Invoice] = []
    for period in await list_open_periods(session, account_id):
        if period.ends_at > now:
            break
        usage = await load_period_usage(session, profile, period)
        invoice = await _update_draft(session, profile, usage, now)
        # Closed only when all usage written up to the end of the grace time is aggregated.
        if grace is None or cursor.moved_at < period.ends_at + grace:
            break
        _close_period(usage, cursor, now)
        if invoice is not None:
            final.append(await finalize_invoice(session, clock, profile, invoice))
    final += await invoice_due_fees(session, clock, profile)
    await refresh_account_credit(session, clock, account_id)
    return final


async def invoice_due_fees(
    session: AsyncSession,
    clock: Clock,
    profile: BillingProfile,
    unused_fee_credits: Sequence[StatementLine] = (),
) -> list[Invoice]:
    """Invoice the fees due now, less the credits for unused fees of a previous plan.

    The profile must be locked.
    """
    now = clock.now()
    lines = [*unused_fee_credits, *await _charge_due_fees(session, profile, now)]
    if not lines:
        return []
    starts = [line.starts_at for line in lines if line.starts_at]
    ends = [line.ends_at for line in lines if line.ends_at]
    invoice = await create_draft(session, profile, min(starts), max(ends), now)
    await replace_draft_lines(session, profile, invoice, lines)
    return [await finalize_invoice(session, clock, profile, invoice)]


async def list_unused_fee_credits(
    session: AsyncSession, profile: BillingProfile, phase: SubscriptionPhase, at: datetime
) -> list[StatementLine]:
    """Return the credit lines for the unused days, from `at` on, of a phase's invoiced fees."""
    terms = (await load_terms(session, [phase.plan_version_id]))[phase.plan_version_id]
    add_ons = await list_unused_add_on_credits(session, profile, phase, terms, at)
    invoiced_fee = (
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
    row = (await session.scalars(invoiced_fee)).first()
    if row is None or row.starts_at is None or row.ends_at is None:
        return add_ons
    fee = PaidFee(row.minor, row.starts_at, row.ends_at, row.plan_version_id)
    line = unused_fee_line(fee, at, profile_time_zone(profile))
    return add_ons if line is None else [line, *add_ons]


async def preview_fee_lines(
    session: AsyncSession, profile: BillingProfile, at: datetime
) -> list[StatementLine]:
    """Return the lines of fees due by a time, without charging them."""
    return [line for _, line, _ in await _list_fees_until(session, profile, at) if line.minor]


async def _update_draft(
    session: AsyncSession, profile: BillingProfile, usage: PeriodUsage, now: datetime
) -> Invoice | None:
    """Create or update the draft of a period; return None if there is nothing to invoice."""
    period, usage_lines = usage.period, usage.lines()
    fees = await _charge_due_fees(session, profile, period.ends_at)
    charges = await list_due_charges(session, profile.account_id, period.ends_at)
    late_fees = await accrue_late_fees(session, profile.account_id, period.ends_at)
    invoice = await find_period_invoice(session, profile.account_id, period.id)
    earlier_fees: list[StatementLine] = []
    if invoice is not None:
        rows = await list_invoice_lines(session, profile.account_id, invoice.id)
        earlier_fees = [_stored_fee_line(row) for row in rows if row.kind in FEE_KINDS]
    elif usage_lines or fees or charges or late_fees:
        invoice = await create_draft(
            session, profile, period.starts_at, period.ends_at, now, period.id
        )
    else:
        return None
    charge_lines = await attach_charges(session, profile.account_id, invoice.id, charges)
    late_lines = await attach_late_fees(session, profile.account_id, invoice.id, late_fees)
    lines = [*usage_lines, *earlier_fees, *fees, *charge_lines, *late_lines]
    await replace_draft_lines(session, profile, invoice, lines)
    return invoice


def _close_period(usage: PeriodUsage, cursor: AggregationCursor, now: datetime) -> None:
    """Close a period at the current aggregation position and store its metered cost."""
    period = usage.period
    period.cut, period.closed_at, period.cost_nano = cursor.consumed, now, usage.cost_nano


async def _charge_due_fees(
    session: AsyncSession, profile: BillingProfile, at: datetime
) -> list[StatementLine]:
    """Return the lines of fees due by a time, and mark them as charged."""
    due = await _list_fees_until(session, profile, at)
    for phase, _, ends_at in due:
        phase.fees_until, phase.trial = ends_at, False
    await session.flush()
    return [line for _, line, _ in due if line.minor]


async def _list_fees_until(
    session: AsyncSession, profile: BillingProfile, at: datetime
) -> list[tuple[SubscriptionPhase, StatementLine, datetime]]:
    """Return the fees due by a time as (phase, line, end of the fee's service period)."""
    query = select(SubscriptionPhase).where(
        col(SubscriptionPhase.account_id) == profile.account_id, _fee_due_condition(at)
    )
    phases = (await session.scalars(query.order_by(col(SubscriptionPhase.starts_at)))).all()
    terms = await load_terms(session, {phase.plan_version_id for phase in phases})
    since = min((phase.fees_until for phase in phases), default=at)
    rows = await list_add_ons(session, profile.account_id, since) if phases else ()
    fees: list[tuple[SubscriptionPhase, StatementLine, datetime]] = []
    for phase in phases:
        starts_at, phase_terms = phase.fees_until, terms[phase.plan_version_id]
        while starts_at <= at and (phase.ends_at is None or starts_at < phase.ends_at):
            period = fee_period(phase_terms, billing_calendar(profile), starts_at)
            lines = [
                fixed_fee_line(phase_terms, billing_calendar(profile), starts_at),
                *due_add_on_lines(phase_terms, rows, period, max(starts_at, phase.starts_at)),
            ]
            starts_at = period.ends_at
            fees += [(phase, line, starts_at) for line in lines]
    return fees


def _fee_due_condition(at: datetime) -> ColumnElement[bool]:
    """Return the SQL condition for phases that outlast their charged fees and owe one by `at`."""
    due = col(SubscriptionPhase.fees_until) <= at
    is_active = or_(
        col(SubscriptionPhase.ends_at).is_(None),
        col(SubscriptionPhase.ends_at) > col(SubscriptionPhase.fees_until),
    )
    return due & is_active


def _stored_fee_line(row: InvoiceLine) -> StatementLine:
    """Rebuild the statement line of a fee from its stored invoice line."""
    return StatementLine(
        LineKind(row.kind),
        row.minor,
        row.plan_version_id,
        quantity=row.quantity,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        add_on=row.add_on,
    )
