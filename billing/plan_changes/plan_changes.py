"""Plan changes requested by customers, with the resulting invoices.

    upgrade: immediate, the unused fee is credited against the new one (proration)
    downgrade: at the end of the paid period
    pause: at the end of the paid period; the fee is due again when the plan resumes

A change first bills what is due, so its result does not depend on when the jobs last ran. The
access epoch is advanced last, so that gateways reload the account's cached prices: its single row
is locked by every such change and must be held only briefly.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile, lock_profile, profile_time_zone
from billing.dates import local_day_start
from billing.invoices.add_on_fees import due_add_on_lines
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.calculation import InvoiceAmounts, compute_amounts
from billing.invoices.period_close import (
    close_and_invoice,
    invoice_due_fees,
    list_unused_fee_credits,
    preview_fee_lines,
)
from billing.metering.key_epoch import advance_epoch
from billing.rating.fees import PaidFee, fee_period, fixed_fee_line, unused_fee_line
from billing.rating.statement import LineKind, StatementLine
from billing.subscriptions.add_ons import end_add_ons, list_active_add_ons
from billing.subscriptions.pauses import (
    discard_pause,
    end_pause,
    pause_subscription,
)
from billing.subscriptions.subscriptions import (
    SamePlan,
    SubscriptionState,
    billing_calendar,
    cancel_subscription,
    require_subscription,
    resume_subscription,
    schedule_plan_change,
    start_subscription,
    switch_plan_now,
    terms_for,
    yearly_fee,
)
from billing.tables import BillingProfile, Invoice, PlanVersion, SubscriptionPhase
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class PlanChange:
    """Result of a plan change: the phase that begins and the invoices created at once."""

    phase: SubscriptionPhase
    invoices: tuple[Invoice, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanChangePreview:
    """Preview of a plan change: whether it takes effect now, and the lines and amounts invoiced.

    A downgrade takes effect at the end of the paid period (`now` is False) and costs nothing.
    """

    now: bool
    lines: tuple[StatementLine, ...]
    amounts: InvoiceAmounts | None


async def start_plan(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> PlanChange:
    """Start a subscription and invoice the first fee unless there is a trial. Ends a pause.

    Raises AlreadySubscribed, PlanCurrencyDiffers.
    """
    await lock_profile(session, account_id)
    await discard_pause(session, account_id, clock.now())
    await end_add_ons(session, account_id, clock.now())
    phase = await start_subscription(session, clock, account_id, version)
    return await _charge_due_fees(session, clock, phase)


async def change_plan(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> PlanChange:
    """Change to another plan version: an upgrade now, a downgrade at the end of the paid period.

    Raises NotSubscribed, SamePlan, PlanCurrencyDiffers.
    """
    profile = await lock_profile(session, account_id)
    subscription = await require_subscription(session, account_id, clock.now())
    await close_and_invoice(session, clock, account_id, grace=None)
    preview = await _compute_preview(session, clock, profile, subscription, version)
    if not preview.now:
        return await schedule_plan(session, clock, account_id, version)
    old_phase, new_phase = await switch_plan_now(session, clock, account_id, version)
    unused = await list_unused_fee_credits(session, profile, old_phase, clock.now())
    return await _charge_due_fees(session, clock, new_phase, unused)


async def schedule_plan(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> PlanChange:
    """Change to another plan version at the end of the paid period.

    Raises NotSubscribed, SamePlan, PlanCurrencyDiffers.
    """
    scheduled = await schedule_plan_change(session, clock, account_id, version)
    await _apply(session, clock, account_id)
    return PlanChange(scheduled)


async def preview_plan_change(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> PlanChangePreview:
    """Return what `change_plan` would invoice now.

    Raises NotSubscribed, SamePlan, PlanCurrencyDiffers.
    """
    profile = await get_profile(session, account_id)
    subscription = await require_subscription(session, account_id, clock.now())
    return await _compute_preview(session, clock, profile, subscription, version)


async def cancel_plan(
    session: AsyncSession, clock: Clock, account_id: UUID, *, at_end: bool
) -> SubscriptionPhase:
    """Cancel the plan, if `at_end` with the paid period, without refund. Raises NotSubscribed.

    A paused plan is cancelled at once. Returns the last phase.
    """
    await close_and_invoice(session, clock, account_id, grace=None)
    phase = await discard_pause(session, account_id, clock.now())
    if phase is None:
        phase = await cancel_subscription(session, clock, account_id, at_end=at_end)
    await _apply(session, clock, account_id)
    return phase


async def pause_plan(
    session: AsyncSession, clock: Clock, account_id: UUID, resumes_at: datetime | None
) -> SubscriptionPhase:
    """Pause the plan from the end of the paid period, until `resumes_at` or `resume_plan`.

    Returns the last phase. Raises NotSubscribed, ResumptionTimeInvalid.
    """
    await close_and_invoice(session, clock, account_id, grace=None)
    phase = await pause_subscription(session, clock, account_id, resumes_at)
    await _apply(session, clock, account_id)
    return phase


async def resume_plan(session: AsyncSession, clock: Clock, account_id: UUID) -> PlanChange:
    """Undo a scheduled cancellation, downgrade or pause, or end a pause and invoice the fee.

    Raises NotSubscribed, NothingToResume.
    """
    await close_and_invoice(session, clock, account_id, grace=None)
    new_phase = await end_pause(session, clock, account_id)
    if new_phase is not None:
        return await _charge_due_fees(session, clock, new_phase)
    phase = await resume_subscription(session, clock, account_id)
    await _apply(session, clock, account_id)
    return PlanChange(phase)


async def _apply(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Refresh the available credit and advance the access epoch after a change."""
    await refresh_account_credit(session, clock, account_id)
    await advance_epoch(session, account_id)


async def _charge_due_fees(
    session: AsyncSession,
    clock: Clock,
    phase: SubscriptionPhase,
    unused: list[StatementLine] | None = None,
) -> PlanChange:
    """Invoice due fees less the `unused` credits, refresh credit and advance the access epoch."""
    profile = await lock_profile(session, phase.account_id)
    invoices = await invoice_due_fees(session, clock, profile, unused or ())
    await refresh_account_credit(session, clock, phase.account_id)
    await advance_epoch(session, phase.account_id)
    return PlanChange(phase, tuple(invoices))


async def _compute_preview(
    session: AsyncSession,
    clock: Clock,
    profile: BillingProfile,
    subscription: SubscriptionState,
    version: PlanVersion,
) -> PlanChangePreview:
    """Return what a change to the version would invoice now. Raises SamePlan."""
    if subscription.phase.plan_version_id == version.id:
        raise SamePlan("The account already has this version of the plan.")
    terms = await terms_for(session, profile.account_id, version)
    now = clock.now()
    unused = await _unused_fee_lines(session, profile, subscription.phase, now)
    today = local_day_start(now, profile_time_zone(profile))
    fee = fixed_fee_line(terms, billing_calendar(profile), today)
    rows = await list_active_add_ons(session, profile.account_id, now)
    period = fee_period(terms, billing_calendar(profile), today)
    add_ons = due_add_on_lines(terms, rows, period, now)
    lines = [*unused, *([fee] if fee.minor else []), *add_ons]
    amounts = await compute_amounts(session, profile, lines)
    # An invoice cannot have a negative total, as one for a month after a paid year would.
    if yearly_fee(terms) < yearly_fee(subscription.terms) or amounts.taxed.total < 0:
        return PlanChangePreview(False, (), None)
    return PlanChangePreview(True, tuple(lines), amounts)


async def _unused_fee_lines(
    session: AsyncSession, profile: BillingProfile, phase: SubscriptionPhase, at: datetime
) -> list[StatementLine]:
    """Return the credit line for the phase's unused fee, also if the fee is not yet charged."""
    due = [
        line
        for line in await preview_fee_lines(session, profile, at)
        if line.version_id == phase.plan_version_id
    ]
    if not due:
        return await list_unused_fee_credits(session, profile, phase, at)
    lines = (_unused(line, at, profile) for line in due if line.ends_at == due[-1].ends_at)
    return [line for line in lines if line is not None]


def _unused(due: StatementLine, at: datetime, profile: BillingProfile) -> StatementLine | None:
    """Return the credit line for the days of a due fee from `at` on; None if it is zero."""
    line = None
    if due.starts_at is not None and due.ends_at is not None:
        paid = PaidFee(due.minor, due.starts_at, due.ends_at, due.version_id)
        line = unused_fee_line(paid, at, profile_time_zone(profile))
    if line is None or due.add_on is None:
        return line
    kind = LineKind.UNUSED_ADD_ON
    return replace(line, kind=kind, add_on=due.add_on, quantity=due.quantity)
