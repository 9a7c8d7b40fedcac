"""Publish plans and change subscriptions, as operators do by command, page or API."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.plan_changes.add_on_changes import AddOnChange, set_add_on
from billing.plan_changes.plan_changes import (
    PlanChange,
    cancel_plan,
    change_plan,
    pause_plan,
    resume_plan,
    start_plan,
)
from billing.plan_changes.views import subscription_json
from billing.rating.plan_file import parse_plan_file
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import find_plan_version, publish_plan
from billing.tables import Account, PlanVersion
from gateway.access.price_book import catalog_prices
from gateway.identity.audit_log import Actor, record_audit_event
from infra import ids
from infra.clock import Clock
from models.catalog import Catalog

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


async def set_account_add_on(
    session: AsyncSession, clock: Clock, actor: Actor, account: Account, name: str, quantity: int
) -> AddOnChange:
    """Set how many of an add-on an account has; 0 removes it.

    Raises NotSubscribed, AddOnNotFound, AddOnQuantityInvalid.
    """
    change = await set_add_on(session, clock, account.id, name, quantity)
    await record_audit_event(
        session, clock, actor, account.id, "plan.add_on_changed", name, {"quantity": quantity}
    )
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
