"""Publish plans and change subscriptions, as operators do by command, page or API."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.plan_changes.plan_changes import (
    PlanChange,
    cancel_plan,
    change_plan,
    pause_plan,
    resume_plan,
    start_plan,
)
from billing.plan_changes.views import plan_json, subscription_json
from billing.rating.plan_file import parse_plan_file
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import find_plan_version, list_plan_versions, publish_plan
from billing.tables import Account, PlanVersion, SubscriptionPhase
from gateway.access.price_book import catalog_prices
from gateway.identity.audit_log import Actor, record_audit_event
from infra import ids
from infra.clock import Clock
from models.catalog import Catalog

_MAX_SHOWN_ACCOUNTS = 100
_Switch = Callable[[AsyncSession, Clock, UUID, PlanVersion], Awaitable[PlanChange]]


def read_plan_file(text: str, catalog: Catalog) -> PlanTerms:
    """Read a plan file with the catalog's list prices. Raises TermsInvalid, PriceInvalid."""
    return parse_plan_file(text, lambda currency: catalog_prices(catalog, currency))


async def publish_terms(
    session: AsyncSession, clock: Clock, actor: Actor, terms: PlanTerms, listed: bool | None
) -> PlanVersion:
    """Publish terms as the plan's next version; equal terms create none. See `publish_plan`."""
    now = clock.now()
    version = await publish_plan(session, clock, terms, listed)
    if version.created_at >= now or listed is not None:
        details = {"number": version.number, "currency": version.currency, "listed": listed}
        await record_audit_event(
            session, clock, actor, None, "plan.published", version.plan, details
        )
    return version


async def preview_publication(
    session: AsyncSession, now: datetime, terms: PlanTerms
) -> dict[str, Any]:
    """Return what publishing terms would do: the changed fields, and the subscribed accounts.

    Subscribed accounts keep their version; the new one applies to later subscriptions.
    """
    versions = [
        one
        for one in await list_plan_versions(session)
        if (one.plan, one.currency) == (terms.plan, terms.currency)
    ]
    newest = versions[-1] if versions else None
    number = newest.number if newest else 0
    known = next((one for one in versions if one.id == terms.version_id()), None)
    proposed = PlanVersion(
        id=terms.version_id(),
        plan=terms.plan,
        currency=terms.currency,
        number=known.number if known else number + 1,
        terms="",
        created_at=known.created_at if known else now,
    )
    accounts = await _subscribed_accounts(session, now, [one.id for one in versions])
    return {
        "object": "plan.publication",
        "plan": plan_json(proposed, terms),
        "creates_version": known is None,
        "replaces": number or None,
        "subscribed_count": len(accounts),
        "subscribed": accounts[:_MAX_SHOWN_ACCOUNTS],
    }


async def switch_account_plan(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account: Account,
    plan: str,
    number: int | None = None,
    *,
    starts: bool,
) -> PlanChange:
    """Subscribe an account to a plan, or change its plan. Raises as `start_plan`, `change_plan`."""
    switch: _Switch = start_plan if starts else change_plan
    version = await find_plan_version(session, plan, account.currency, number)
    change = await switch(session, clock, account.id, version)
    details = {"version": version.number}
    await record_audit_event(
        session, clock, actor, account.id, "plan.changed", version.plan, details
    )
    return change


async def cancel_account_plan(
    session: AsyncSession, clock: Clock, actor: Actor, account: Account, *, now: bool
) -> PlanChange:
    """Cancel a subscription: at once if `now`, else when the paid period ends."""
    phase = await cancel_plan(session, clock, account.id, at_end=not now)
    await record_audit_event(
        session, clock, actor, account.id, "plan.cancelled", "", {"at_once": now}
    )
    return PlanChange(phase)


async def resume_account_plan(
    session: AsyncSession, clock: Clock, actor: Actor, account: Account
) -> PlanChange:
    """End a pause, or undo a scheduled change. Raises NotSubscribed, NothingToResume."""
    change = await resume_plan(session, clock, account.id)
    await record_audit_event(session, clock, actor, account.id, "plan.resumed")
    return change


async def pause_account_plan(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account: Account,
    resumes_at: datetime | None = None,
) -> PlanChange:
    """Pause a subscription when the paid period ends. Raises NotSubscribed."""
    phase = await pause_plan(session, clock, account.id, resumes_at)
    until = "" if resumes_at is None else resumes_at.isoformat()
    await record_audit_event(session, clock, actor, account.id, "plan.paused", until)
    return PlanChange(phase)


async def plan_change_result(
    session: AsyncSession, clock: Clock, account: Account, change: PlanChange
) -> dict[str, Any]:
    """Return the subscription after a change as JSON, with the ids of new invoices."""
    invoices = [ids.format_id(INVOICE_ID_PREFIX, invoice.id) for invoice in change.invoices]
    return {**await account_subscription(session, clock, account), "invoices": invoices}


async def account_subscription(
    session: AsyncSession, clock: Clock, account: Account
) -> dict[str, Any]:
    """Return an account's subscription as JSON."""
    subscription = await subscription_json(session, clock, account.id)
    return {"account": account.name, **subscription, "invoices": []}


async def _subscribed_accounts(
    session: AsyncSession, now: datetime, version_ids: list[UUID]
) -> list[dict[str, Any]]:
    """Return the accounts that are subscribed to one of the versions, by name."""
    ends = col(SubscriptionPhase.ends_at)
    query = (
        select(Account.id, Account.name, PlanVersion.number)
        .join(SubscriptionPhase, col(SubscriptionPhase.account_id) == col(Account.id))
        .join(PlanVersion, col(PlanVersion.id) == col(SubscriptionPhase.plan_version_id))
        .where(
            col(SubscriptionPhase.plan_version_id).in_(version_ids),
            col(SubscriptionPhase.starts_at) <= now,
            ends.is_(None) | (ends > now),
        )
        .order_by(col(Account.name))
    )
    return [
        {"id": ids.format_id(ACCOUNT_ID_PREFIX, account_id), "name": name, "version": number}
        for account_id, name, number in (await session.execute(query)).all()
    ]
