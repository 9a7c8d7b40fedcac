"""What an account sees of its plan, of plans that it could have, and of its wallet, as JSON.

Owns these forms: amounts are decimal text of the major unit, times are in UTC.
"""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import currency_of, read_profile
from billing.invoice_documents.price_format import percent, price_decimals
from billing.invoice_documents.values import line_json
from billing.invoices.headroom import available, read_funds
from billing.invoices.usage_position import read_position
from billing.ledger.wallets import PREFIX as GRANT_PREFIX
from billing.ledger.wallets import Left, grants_left
from billing.metering.quotas import list_limits
from billing.money import minor_text, nano_text
from billing.plan_changes.offers import Offer
from billing.plan_changes.plan_changes import ChangePreview
from billing.rating.terms import PlanTerms
from billing.subscriptions.subscriptions import PREFIX, standing_of
from billing.tables import PlanVersion, SubscriptionPhase
from infra import ids
from infra.clock import Clock


def plan_json(version: PlanVersion, terms: PlanTerms) -> dict[str, Any]:
    """All that a plan version says."""
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
            {"model": one.model, "meter": one.meter, "price": price_decimals(one.price)}
            for one in terms.prices
        ],
        "discounts": [{"model": one.model, "percent": percent(one.ppm)} for one in terms.discounts],
    }


def offer_json(offer: Offer) -> dict[str, Any]:
    return plan_json(offer.version, offer.terms)


async def subscription_json(
    session: AsyncSession, clock: Clock, account_id: UUID
) -> dict[str, Any]:
    """The plan that an account is on, what follows it, until when fees are paid, and what may
    still be spent now. Without a plan the list holds, and `status` is `none`."""
    standing = await standing_of(session, account_id, clock.now())
    spendable = {"available": await _available(session, clock, account_id)}
    if standing is None:
        nothing = dict.fromkeys(("id", "plan", "started_at", "paid_until", "ends_at", "following"))
        return {"object": "subscription", "status": "none", **nothing, **spendable}
    phase, following = standing.phase, standing.following
    version = await session.get_one(PlanVersion, phase.plan_version_id)
    return {
        "object": "subscription",
        "status": "trialing" if phase.trial else "active",
        "id": ids.show(PREFIX, phase.id),
        "plan": plan_json(version, standing.terms),
        "started_at": phase.starts_at.isoformat(),
        "paid_until": phase.fees_until.isoformat(),
        "ends_at": phase.ends_at and phase.ends_at.isoformat(),
        "following": following and await _following(session, following),
        **spendable,
    }


async def change_json(
    session: AsyncSession, account_id: UUID, version: PlanVersion, preview: ChangePreview
) -> dict[str, Any]:
    """What taking a plan would cost now; where it would wait for the paid time's end, nothing."""
    currency, amounts = await currency_of(session, account_id), preview.amounts
    taxed = amounts and amounts.taxed
    return {
        "object": "subscription.preview",
        "plan": version.plan,
        "version": version.id.hex,
        "takes_effect": "now" if preview.now else "when_the_paid_time_ends",
        "currency": currency,
        "lines": [line_json(currency, line) for line in preview.lines],
        "net": minor_text(taxed.net if taxed else 0, currency),
        "tax": minor_text(taxed.tax if taxed else 0, currency),
        "total": minor_text(taxed.total if taxed else 0, currency),
    }


async def wallet_json(session: AsyncSession, account_id: UUID) -> dict[str, Any]:
    """What is left in the wallet, in the order in which it is used."""
    currency, grants = (
        await currency_of(session, account_id),
        await grants_left(session, account_id),
    )
    return {
        "object": "wallet",
        "currency": currency,
        "balance": minor_text(sum(one.minor for one in grants), currency),
        "grants": [_grant(one, currency) for one in grants],
    }


async def _available(session: AsyncSession, clock: Clock, account_id: UUID) -> dict[str, Any]:
    """What the account's calls may still cost, and the limit that decides it."""
    profile = await read_profile(session, account_id)
    position = await read_position(session, profile, clock.now())
    funds = await read_funds(session, position)
    quotas = await list_limits(session, account_id)
    return available(funds, position, quotas).to_json(position.currency)


async def _following(session: AsyncSession, phase: SubscriptionPhase) -> dict[str, Any]:
    query = select(PlanVersion).where(col(PlanVersion.id) == phase.plan_version_id)
    version = (await session.scalars(query)).one()
    return {
        "plan": version.plan,
        "version": version.id.hex,
        "number": version.number,
        "starts_at": phase.starts_at.isoformat(),
    }


def _grant(one: Left, currency: str) -> dict[str, Any]:
    grant = one.grant
    return {
        "id": ids.show(GRANT_PREFIX, grant.id),
        "paid": grant.paid,
        "amount": minor_text(grant.minor, currency),
        "left": minor_text(one.minor, currency),
        "priority": grant.priority,
        "expires_at": grant.expires_at and grant.expires_at.isoformat(),
    }
