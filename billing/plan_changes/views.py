"""JSON views of plans, an account's subscription, plan change previews and the wallet.

Amounts are decimal strings in the major unit; times are UTC.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency, get_profile
from billing.invoice_documents.price_format import format_percent, price_to_json
from billing.invoice_documents.values import line_to_json
from billing.invoices.headroom import compute_account_headroom, load_credit_funds
from billing.invoices.usage_position import load_usage_position
from billing.ledger.wallets import GRANT_ID_PREFIX as GRANT_PREFIX
from billing.ledger.wallets import GrantBalance, list_grant_balances
from billing.metering.quotas import list_quota_states
from billing.money import minor_text, nano_text
from billing.plan_changes.offers import Offer
from billing.plan_changes.plan_changes import PlanChangePreview
from billing.plan_changes.price_change_views import find_announced_price
from billing.rating.terms import AddOn, PlanTerms
from billing.subscriptions.add_ons import list_active_add_ons
from billing.subscriptions.pauses import find_paused_plan, find_resumption
from billing.subscriptions.subscriptions import PREFIX, SubscriptionState, find_subscription
from billing.tables import PlanVersion, SubscriptionPhase
from infra import ids
from infra.clock import Clock

_NO_SUBSCRIPTION = dict.fromkeys(
    ("id", "plan", "started_at", "paid_until", "ends_at", "pause", "following", "add_ons")
)


def plan_json(version: PlanVersion, terms: PlanTerms) -> dict[str, Any]:
    """Return a plan version with its terms as JSON."""
    return {
        "object": "plan",
        "plan": version.plan,
        "version": version.id.hex,
        "number": version.number,
        "published_at": version.created_at.isoformat(),
        "names": dict(terms.names),
        "currency": terms.currency,
        "fixed_fee": minor_text(terms.fixed_fee, terms.currency),
        "interval": terms.interval.value,
        "alignment": terms.alignment.value,
        "trial_days": terms.trial_days,
        "minimum": minor_text(terms.minimum, terms.currency),
        "spend_cap": None if terms.spend_cap is None else nano_text(terms.spend_cap),
        "tax_inclusive": terms.tax_inclusive,
        "allowances": [
            {"model": one.model, "meter": one.meter, "quantity": one.quantity}
            for one in terms.allowances
        ],
        "prices": [
            {"model": one.model, "meter": one.meter, "price": price_to_json(one.price)}
            for one in terms.prices
        ],
        "discounts": [
            {"model": one.model, "percent": format_percent(one.ppm)} for one in terms.discounts
        ],
        "add_ons": [_add_on_json(one, terms.currency) for one in terms.add_ons],
    }


def _add_on_json(add_on: AddOn, currency: str) -> dict[str, Any]:
    """Return an add-on that a plan offers as JSON; the fee is per interval of the plan."""
    return {
        "add_on": add_on.name,
        "names": dict(add_on.names),
        "fee": minor_text(add_on.fee, currency),
        "max_quantity": add_on.max_quantity,
        "allowances": [
            {"model": one.model, "meter": one.meter, "quantity": one.quantity}
            for one in add_on.allowances
        ],
    }


def offer_json(offer: Offer) -> dict[str, Any]:
    """Return an offered plan as JSON."""
    return plan_json(offer.version, offer.terms)


async def subscription_json(
    session: AsyncSession, clock: Clock, account_id: UUID
) -> dict[str, Any]:
    """Return an account's subscription as JSON, with the following plan and available credit.

    Without a subscription, list prices apply and `status` is `none`; also while it is `paused`.
    """
    now = clock.now()
    subscription = await find_subscription(session, account_id, now)
    spendable = {
        "available": await _available_credit_json(session, clock, account_id),
        "price_change": await _announced_price_json(session, account_id),
    }
    paused = None
    if subscription is None:
        paused = await find_paused_plan(session, account_id, now)
        if paused is None:
            return {"object": "subscription", "status": "none", **_NO_SUBSCRIPTION, **spendable}
        following = await find_resumption(session, account_id, now)
        subscription = SubscriptionState(paused.phase, paused.terms, following)
    active = "trialing" if subscription.phase.trial else "active"
    return {
        "object": "subscription",
        "status": active if paused is None else "paused",
        **await _subscription_fields(session, subscription),
        "add_ons": await _active_add_ons_json(session, account_id, subscription.terms, now),
        **spendable,
    }


async def _active_add_ons_json(
    session: AsyncSession, account_id: UUID, terms: PlanTerms, now: datetime
) -> list[dict[str, Any]]:
    """Return the add-ons that an account has of those that its plan offers."""
    return [
        {"add_on": row.name, "quantity": row.quantity, "since": row.starts_at.isoformat()}
        for row in await list_active_add_ons(session, account_id, now)
        if terms.add_on(row.name) is not None
    ]


async def _announced_price_json(session: AsyncSession, account_id: UUID) -> dict[str, Any] | None:
    """Return the plan version to which an announced price change moves the account, or None."""
    announced = await find_announced_price(session, account_id)
    if announced is None:
        return None
    return {
        "plan": plan_json(announced.version, announced.terms),
        "effective_at": announced.effective_at.isoformat(),
    }


async def _subscription_fields(
    session: AsyncSession, subscription: SubscriptionState
) -> dict[str, Any]:
    """Return plan, times, pause and following plan of a subscription as JSON."""
    phase, following = subscription.phase, subscription.following
    version = await session.get_one(PlanVersion, phase.plan_version_id)
    return {
        "id": ids.format_id(PREFIX, phase.id),
        "plan": plan_json(version, subscription.terms),
        "started_at": phase.starts_at.isoformat(),
        "paid_until": phase.fees_until.isoformat(),
        "ends_at": phase.ends_at and phase.ends_at.isoformat(),
        "pause": _pause_json(phase, following),
        "following": following and await _following_phase_json(session, following),
    }


def _pause_json(
    phase: SubscriptionPhase, following: SubscriptionPhase | None
) -> dict[str, Any] | None:
    """Return when the pause after a phase begins and ends (None: when the customer resumes)."""
    if not phase.paused or phase.ends_at is None:
        return None
    return {
        "starts_at": phase.ends_at.isoformat(),
        "resumes_at": following and following.starts_at.isoformat(),
    }


async def plan_change_json(
    session: AsyncSession, account_id: UUID, version: PlanVersion, preview: PlanChangePreview
) -> dict[str, Any]:
    """Return a plan change preview as JSON. Scheduled changes (at the period end) cost nothing."""
    currency, amounts = await get_account_currency(session, account_id), preview.amounts
    taxed = amounts and amounts.taxed
    return {
        "object": "subscription.preview",
        "plan": version.plan,
        "version": version.id.hex,
        "takes_effect": "now" if preview.now else "when_the_paid_time_ends",
        "currency": currency,
        "lines": [line_to_json(currency, line) for line in preview.lines],
        "net": minor_text(taxed.net if taxed else 0, currency),
        "tax": minor_text(taxed.tax if taxed else 0, currency),
        "total": minor_text(taxed.total if taxed else 0, currency),
    }


async def wallet_json(session: AsyncSession, account_id: UUID) -> dict[str, Any]:
    """Return the wallet balance and its grants, in order of consumption, as JSON."""
    currency, grants = (
        await get_account_currency(session, account_id),
        await list_grant_balances(session, account_id),
    )
    return {
        "object": "wallet",
        "currency": currency,
        "balance": minor_text(sum(one.minor for one in grants), currency),
        "grants": [_grant_json(one, currency) for one in grants],
    }


async def _available_credit_json(
    session: AsyncSession, clock: Clock, account_id: UUID
) -> dict[str, Any]:
    """Return what the account's calls may still cost, and the limit that applies, as JSON."""
    profile = await get_profile(session, account_id)
    position = await load_usage_position(session, profile, clock.now())
    funds = await load_credit_funds(session, position)
    quotas = await list_quota_states(session, account_id)
    return compute_account_headroom(funds, position, quotas).to_json(position.currency)


async def _following_phase_json(session: AsyncSession, phase: SubscriptionPhase) -> dict[str, Any]:
    """Return the plan of a scheduled phase and its start as JSON."""
    query = select(PlanVersion).where(col(PlanVersion.id) == phase.plan_version_id)
    version = (await session.scalars(query)).one()
    return {
        "plan": version.plan,
        "version": version.id.hex,
        "number": version.number,
        "starts_at": phase.starts_at.isoformat(),
    }


def _grant_json(balance: GrantBalance, currency: str) -> dict[str, Any]:
    """Return a wallet grant and its remaining balance as JSON, in decimal text."""
    grant = balance.grant
    return {
        "id": ids.format_id(GRANT_PREFIX, grant.id),
        "paid": grant.paid,
        "amount": minor_text(grant.minor, currency),
        "left": minor_text(balance.minor, currency),
        "priority": grant.priority,
        "expires_at": grant.expires_at and grant.expires_at.isoformat(),
    }
