"""Changes of plan as a customer asks for them, with what they cost at once.

    up: now, the unused fee given back against the new one
    down: when the paid time ends

A change does first what has fallen due by then, so it does not matter whether the jobs ran before
it or not. Gateways remember the prices of a key's account, so last of all the access epoch tells
them to look again: its row is locked by everyone, and whoever has it waits for nothing more.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import lock_profile, read_profile, zone
from billing.dates import day_start
from billing.invoices.available_credit import refresh_credit
from billing.invoices.calculation import Amounts, amounts_of
from billing.invoices.period_close import bill_account, charge_fees, fees_ahead, unused_fees
from billing.metering.key_epoch import advance_epoch
from billing.rating.fees import PaidFee, fee_line, unused_line
from billing.rating.statement import Line
from billing.subscriptions.subscriptions import (
    SamePlan,
    Standing,
    calendar_of,
    cancel,
    change_later,
    change_now,
    require_standing,
    resume,
    subscribe,
    terms_for,
    yearly_fee,
)
from billing.tables import BillingProfile, Invoice, PlanVersion, SubscriptionPhase
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of plan did: the phase that it began, and what was invoiced at once."""

    phase: SubscriptionPhase
    invoices: tuple[Invoice, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangePreview:
    """What a change of plan would cost at once; nothing, where it waits for the paid time's end."""

    now: bool
    lines: tuple[Line, ...]
    amounts: Amounts | None


async def start(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> Change:
    """Subscribe, and invoice the first fee where there is no trial.

    Raises AlreadySubscribed, PlanCurrencyDiffers.
    """
    phase = await subscribe(session, clock, account_id, version)
    return await _charged(session, clock, phase)


async def change_plan(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> Change:
    """Go to another version: up at once, down when the paid time ends.

    Raises NotSubscribed, SamePlan, PlanCurrencyDiffers.
    """
    profile = await lock_profile(session, account_id)
    standing = await require_standing(session, account_id, clock.now())
    await bill_account(session, clock, account_id, grace=None)
    preview = await _preview(session, clock, profile, standing, version)
    if not preview.now:
        later = await change_later(session, clock, account_id, version)
        await refresh_credit(session, clock, account_id)
        await advance_epoch(session, account_id)
        return Change(later)
    ended, begun = await change_now(session, clock, account_id, version)
    unused = await unused_fees(session, profile, ended, clock.now())
    return await _charged(session, clock, begun, unused)


async def preview_change(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> ChangePreview:
    """What `change_plan` would do now. Raises NotSubscribed, SamePlan, PlanCurrencyDiffers."""
    profile = await read_profile(session, account_id)
    standing = await require_standing(session, account_id, clock.now())
    return await _preview(session, clock, profile, standing, version)


async def end(
    session: AsyncSession, clock: Clock, account_id: UUID, *, at_end: bool
) -> SubscriptionPhase:
    """Cancel; what was paid for the time after is not given back. Raises NotSubscribed."""
    await bill_account(session, clock, account_id, grace=None)
    phase = await cancel(session, clock, account_id, at_end=at_end)
    await refresh_credit(session, clock, account_id)
    await advance_epoch(session, account_id)
    return phase


async def go_on(session: AsyncSession, clock: Clock, account_id: UUID) -> SubscriptionPhase:
    """Take a cancellation back. Raises NotSubscribed, NothingToResume."""
    phase = await resume(session, clock, account_id)
    await refresh_credit(session, clock, account_id)
    await advance_epoch(session, account_id)
    return phase


async def _charged(
    session: AsyncSession, clock: Clock, phase: SubscriptionPhase, unused: list[Line] | None = None
) -> Change:
    profile = await lock_profile(session, phase.account_id)
    invoices = await charge_fees(session, clock, profile, unused or ())
    await refresh_credit(session, clock, phase.account_id)
    await advance_epoch(session, phase.account_id)
    return Change(phase, tuple(invoices))


async def _preview(
    session: AsyncSession,
    clock: Clock,
    profile: BillingProfile,
    standing: Standing,
    version: PlanVersion,
) -> ChangePreview:
    if standing.phase.plan_version_id == version.id:
        raise SamePlan("The account is on this version of the plan.")
    terms = await terms_for(session, profile.account_id, version)
    now = clock.now()
    unused = await _unused(session, profile, standing.phase, now)
    fee = fee_line(terms, calendar_of(profile), day_start(now, zone(profile)))
    lines = [*unused, *([fee] if fee.minor else [])]
    amounts = await amounts_of(session, profile, lines)
    # An invoice cannot come to less than nothing, as one for a month after a paid year would.
    if yearly_fee(terms) < yearly_fee(standing.terms) or amounts.taxed.total < 0:
        return ChangePreview(False, (), None)
    return ChangePreview(True, tuple(lines), amounts)


async def _unused(
    session: AsyncSession, profile: BillingProfile, phase: SubscriptionPhase, at: datetime
) -> list[Line]:
    """What is given back of the phase's fee, also where that one is due and not charged yet."""
    due = [
        PaidFee(line.minor, line.starts_at, line.ends_at, line.version_id)
        for line in await fees_ahead(session, profile, at)
        if line.version_id == phase.plan_version_id and line.starts_at and line.ends_at
    ]
    if not due:
        return await unused_fees(session, profile, phase, at)
    line = unused_line(due[-1], at, zone(profile))
    return [] if line is None else [line]
